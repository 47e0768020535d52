package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RequireGpuTest {
  private final String before = System.getProperty("nepenthe.gpu");

  @BeforeEach
  void notRequired() {
    System.clearProperty("nepenthe.gpu");
  }

  @AfterEach
  void asBefore() {
    System.clearProperty(Device.Cuda.PROPERTY);
    System.clearProperty("nepenthe.gpu");
    if (before != null) {
      System.setProperty("nepenthe.gpu", before);
    }
  }

  @Test
  void withoutADeviceTheReasonIsSaid() {
    System.setProperty(Device.Cuda.PROPERTY, "off");
    var result = RequireGpu.Condition.evaluate();
    assertTrue(result.isDisabled());
    assertEquals("no CUDA device: -Dnepenthe.cuda=off", result.getReason().orElseThrow());
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    assertTrue(RequireGpu.Condition.evaluate().isDisabled());
  }

  @Test
  void whereItIsRequiredNothingIsSkipped() {
    System.setProperty(Device.Cuda.PROPERTY, "off");
    System.setProperty("nepenthe.gpu", "required");
    assertFalse(RequireGpu.Condition.evaluate().isDisabled());
  }
}
