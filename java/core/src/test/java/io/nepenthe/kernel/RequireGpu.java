package io.nepenthe.kernel;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.Optional;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * What only a real CUDA device can show: skipped without one, with the reason; with {@code
 * -Dnepenthe.gpu=required} it is not skipped, and fails.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(RequireGpu.Condition.class)
public @interface RequireGpu {
  /** Why there is no device; empty if there is one. */
  final class Condition implements ExecutionCondition {
    /** Whether a missing device is a failure. */
    public static boolean required() {
      return System.getProperty("nepenthe.gpu", "").equals("required");
    }

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      return evaluate();
    }

    static ConditionEvaluationResult evaluate() {
      if (required()) {
        return ConditionEvaluationResult.enabled("-Dnepenthe.gpu=required");
      }
      if (System.getProperty(Device.Cuda.PROPERTY, "real").equals("emulated")) {
        return ConditionEvaluationResult.disabled("no CUDA device: it is emulated");
      }
      Optional<String> reason = Device.Cuda.unavailable(0);
      return reason.isPresent()
          ? ConditionEvaluationResult.disabled("no CUDA device: " + reason.get())
          : ConditionEvaluationResult.enabled("there is a CUDA device");
    }
  }
}
