package io.nepenthe.kernel;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/** CUDA devices are emulated during a class's tests, unless {@code -Dnepenthe.gpu=required}. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(EmulatedGpu.Switch.class)
public @interface EmulatedGpu {
  /** Whether the emulator checks every access, which takes time. */
  boolean checked() default true;

  /** Sets the properties before the first test, and clears them after the last. */
  final class Switch implements BeforeAllCallback, AfterAllCallback {
    @Override
    public void beforeAll(ExtensionContext context) {
      if (!RequireGpu.Condition.required()) {
        System.setProperty(Device.Cuda.PROPERTY, "emulated");
        if (!context.getRequiredTestClass().getAnnotation(EmulatedGpu.class).checked()) {
          System.setProperty(EmulatedDriver.CHECKS_PROPERTY, "false");
        }
      }
    }

    @Override
    public void afterAll(ExtensionContext context) {
      System.clearProperty(Device.Cuda.PROPERTY);
      System.clearProperty(EmulatedDriver.CHECKS_PROPERTY);
    }
  }
}
