package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/**
 * The driver that talks to real devices, over JCuda and its natives, with the emulator behind
 * CUDA's driver API: in a process of its own, which finds that as libcuda.so.1.
 */
class CudaDriverTest {
  private static final Path DRIVER = Repository.path("target/native/release/driver");

  private static ChildJvm.Outcome run(Map<String, String> environment) throws Exception {
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    Map<String, String> all = new HashMap<>(environment);
    all.putIfAbsent("LD_LIBRARY_PATH", DRIVER.toString());
    return ChildJvm.finish(ChildJvm.start(Work.class, List.of("nepenthe.cuda.sync=true"), all));
  }

  /** Says why there is no device, or works on it. */
  static final class Work {
    public static void main(String[] arguments) {
      var reason = Device.Cuda.unavailable(0);
      if (reason.isPresent()) {
        System.out.println("unavailable: " + reason.get());
        return;
      }
      try (Backend backend = Device.cuda(0).open();
          Backend cpu = Device.cpu(1).open();
          Arena arena = Arena.ofConfined()) {
        System.out.println(backend.describe());
        Tensor host = Tensor.zeros(arena, 9001);
        for (int i = 0; i < 9001; i++) {
          host.set(i, i - 4000);
        }
        Tensor device = backend.zeros(arena, Shape.of(9001));
        device.copyFrom(host);
        backend.dense().celu(device, device, 3);
        backend.dense().relu(host, host); // staged
        backend.dense().add(device, host, device);
        Tensor want = Tensor.zeros(arena, 9001);
        for (int i = 0; i < 9001; i++) {
          want.set(i, i - 4000);
        }
        Tensor relu = Tensor.zeros(arena, 9001);
        cpu.dense().relu(want, relu);
        cpu.dense().celu(want, want, 3);
        cpu.dense().add(want, relu, want);
        Tensor got = Tensor.zeros(arena, 9001);
        got.copyFrom(device);
        System.out.println("mismatch=" + want.segment().mismatch(got.segment()));
        Dampen.Result result =
            backend.dampen(device, host, relu, Dampen.Options.of(0.5f, 1)); // two stages
        System.out.println("selected=" + result.selected());
        double seconds =
            ((CudaBackend) backend)
                .context()
                .driver()
                .seconds(() -> backend.dense().relu(device, device));
        System.out.println("timed=" + (seconds > 0 && seconds < 60));
        try {
          backend.zeros(arena, Shape.of(1L << 30));
        } catch (CudaException e) {
          System.out.println("full: " + e.getMessage());
        }
      }
    }
  }

  @Test
  void aRealDriversWayThroughJCuda() throws Exception {
    ChildJvm.Outcome outcome = run(Map.of());
    assertEquals(0, outcome.status(), outcome.output());
    assertTrue(
        outcome.output().contains("device=Emulator behind the driver API (cuda:0)"),
        outcome.output());
    assertTrue(outcome.output().contains("mismatch=-1"), outcome.output());
    assertTrue(outcome.output().contains("selected=5000"), outcome.output());
    assertTrue(outcome.output().contains("timed=true"), outcome.output());
    assertTrue(outcome.output().contains("full: "), outcome.output());
    assertTrue(outcome.output().contains("is out of memory"), outcome.output());
  }

  @Test
  void sayWhyThereIsNoDevice() throws Exception {
    assertReason(Map.of("FAKE_CUDA_DEVICES", "0"), "the NVIDIA driver has no device");
    assertReason(
        Map.of("FAKE_CUDA_VERSION", "11040"), "the NVIDIA driver is for CUDA 11.4, 12.0 is needed");
    assertReason(
        Map.of("FAKE_CUDA_INIT", "100"), "the NVIDIA driver does not start: cuInit gave 100");
    if (CudaLibrary.find("libcuda.so.1").isEmpty()) {
      assertReason(
          Map.of("LD_LIBRARY_PATH", ""),
          "no NVIDIA driver on this machine: libcuda.so.1 was not found");
    }
  }

  private static void assertReason(Map<String, String> environment, String reason)
      throws Exception {
    ChildJvm.Outcome outcome = run(environment);
    assertEquals(0, outcome.status(), outcome.output());
    assertEquals("unavailable: " + reason, outcome.output());
  }
}
