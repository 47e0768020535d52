package io.nepenthe.nn;

import io.nepenthe.kernel.Device;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/**
 * The same on an emulated CUDA device: forward, backward and parameter gradients of every layer.
 */
class CudaGradientTest extends GradientTest {
  @BeforeAll
  static void emulate() {
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
  }

  @AfterAll
  static void stopEmulating() {
    System.clearProperty(Device.Cuda.PROPERTY);
  }

  @Override
  Device device() {
    return Device.cuda(0);
  }
}
