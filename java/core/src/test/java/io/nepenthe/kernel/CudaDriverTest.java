package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
    return run(Work.class, List.of("nepenthe.cuda.sync=true"), environment);
  }

  private static ChildJvm.Outcome run(
      Class<?> main, List<String> properties, Map<String, String> environment, String... arguments)
      throws Exception {
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    Map<String, String> all = new HashMap<>(environment);
    all.putIfAbsent("LD_LIBRARY_PATH", DRIVER.toString());
    return ChildJvm.finish(ChildJvm.start(main, properties, all, arguments));
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
        System.out.println("much shared memory: " + squares((CudaBackend) backend, arena));
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

  /** By wgmma, whose blocks take more shared memory than a kernel has without asking. */
  private static float squares(CudaBackend cuda, Arena arena) {
    Shape weights = Shape.of(1, 1);
    DriftFreeSum sum = DriftFreeSum.of(cuda.zeros(arena, weights), cuda.zeros(arena, weights));
    Tensor ones = Tensor.zeros(arena, 2, 64, 1);
    for (long i = 0; i < ones.elements(); i++) {
      ones.set(i, 1);
    }
    CudaSquares.weights(
        cuda.context(),
        Precision.BF16,
        SquareGradients.linear(ones, ones, sum),
        ones,
        ones,
        sum,
        SquareGradients.Strategy.PRODUCTS,
        CudaSquares.Instructions.WGMMA);
    Tensor value = Tensor.zeros(arena, weights);
    sum.value(value);
    return value.get(0);
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
    assertTrue(outcome.output().contains("much shared memory: 8192.0"), outcome.output());
    assertTrue(outcome.output().contains("timed=true"), outcome.output());
    assertTrue(outcome.output().contains("full: "), outcome.output());
    assertTrue(outcome.output().contains("is out of memory"), outcome.output());
  }

  @Test
  void sayWhyThereIsNoDevice() throws Exception {
    assertReason(Map.of("FAKE_CUDA_DEVICES", "0"), "the NVIDIA driver has no device");
    int toolkit = CudaKernels.toolkit().orElseThrow();
    assertReason(
        Map.of("FAKE_CUDA_VERSION", "11040"),
        "the NVIDIA driver is for CUDA 11.4, %d.%d is needed: the kernels were compiled by that"
            .formatted(toolkit / 1000, toolkit % 1000 / 10));
    assertReason(
        Map.of("FAKE_CUDA_CAPABILITY", "75"),
        "device 0 has compute capability 7.5, the kernels need 8.0");
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

  /** Fails on the device, then begins anew; uses it from another thread; asks for too much. */
  static final class Troubles {
    public static void main(String[] arguments) throws InterruptedException {
      CudaTest.keepContext(); // so that the broken one does not end by itself
      try (CudaBackend first = (CudaBackend) Device.cuda(0).open();
          Arena arena = Arena.ofShared()) {
        Tensor x = first.zeros(arena, Shape.of(100));
        Thread other = new Thread(() -> first.dense().relu(x, x));
        other.start();
        other.join();
        CudaDriver driver = first.context().driver();
        try (var op = first.context().begin("grid", "", 0, 0)) {
          op.launch("nep_roof_copy", new CudaDriver.Grid(1, 70_000, 1), x.address(), 0L, 0L);
        } catch (CudaException e) {
          System.out.println("grid: " + e.getMessage());
        }
        System.out.println("still well: " + driver.memory().free());
        try (var op = first.context().begin("past the end", "", 0, 0)) {
          op.launch("nep_roof_copy", 1, x.address(), x.address(), 200L);
          driver.synchronise();
        } catch (CudaException e) {
          System.out.println("failed: " + e.getMessage());
        }
      } catch (CudaException e) {
        System.out.println("closing: " + e.getMessage());
      }
      try (Backend second = Device.cuda(0).open();
          Arena arena = Arena.ofConfined()) {
        Tensor x = second.zeros(arena, Shape.of(100));
        second.dense().relu(x, x);
        Tensor host = Tensor.zeros(arena, 100);
        host.copyFrom(x);
        System.out.println("after: " + host.get(99));
      }
    }
  }

  /** Whatever failed, the next one to open the device finds it whole. */
  @Test
  void aKernelThatFailsTakesNothingElseWithIt() throws Exception {
    for (String sync : List.of("true", "false")) {
      ChildJvm.Outcome outcome =
          run(Troubles.class, List.of("nepenthe.cuda.sync=" + sync), Map.of());
      String output = outcome.output();
      assertEquals(0, outcome.status(), output);
      assertTrue(
          output.contains(
              "grid: cuLaunchKernel nep_roof_copy, grid 1×70000×1, block 256: EMULATED_ERROR_1"),
          output);
      assertTrue(output.contains("still well: "), output);
      assertTrue(output.contains("EMULATED_ERROR_719 (719)"), output);
      if (sync.equals("true")) {
        assertTrue(output.contains("failed: nep_roof_copy, grid 1×1×1, block 256: "), output);
      }
      assertFalse(output.contains("closing") || output.contains("Exception"), output);
      assertTrue(output.endsWith("after: 0.0"), output);
    }
  }

  /** Calls the driver as JCudaDriver must not. */
  static final class Misuse {
    private final CudaLibrary driver = CudaLibrary.open(DRIVER.resolve("libcuda.so.1"));
    private final Arena arena = Arena.ofShared();
    private final MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);

    public static void main(String[] arguments) throws Throwable {
      Misuse misuse = new Misuse();
      misuse.init();
      switch (arguments[0]) {
        case "context" ->
            System.out.println("gave " + misuse.call("cuStreamCreate", misuse.out, 0));
        case "thread" -> misuse.inAnotherThread();
        case "event" -> misuse.unreachedEvent();
        case "pageable" -> misuse.copy(misuse.arena.allocate(64));
        case "freed" -> misuse.freed();
        default -> throw new IllegalArgumentException(arguments[0]);
      }
    }

    private void init() throws Throwable {
      call("cuInit", 0);
    }

    private long call(String name, Object... arguments) throws Throwable {
      MemoryLayout[] types = new MemoryLayout[arguments.length];
      for (int i = 0; i < types.length; i++) {
        types[i] =
            arguments[i] instanceof Integer
                ? ValueLayout.JAVA_INT
                : arguments[i] instanceof Long ? ValueLayout.JAVA_LONG : ValueLayout.ADDRESS;
      }
      return (int)
          driver.function(name, ValueLayout.JAVA_INT, types).invokeWithArguments(arguments);
    }

    private long made(String name, Object... arguments) throws Throwable {
      Object[] all = new Object[arguments.length + 1];
      all[0] = out;
      System.arraycopy(arguments, 0, all, 1, arguments.length);
      assertEquals(0, call(name, all), name);
      return out.get(ValueLayout.JAVA_LONG, 0);
    }

    private long enter() throws Throwable {
      long context = made("cuDevicePrimaryCtxRetain", 0);
      call("cuCtxSetCurrent", context);
      return made("cuStreamCreate", 0);
    }

    private void inAnotherThread() throws Throwable {
      enter();
      Thread other =
          new Thread(
              () -> {
                try {
                  System.out.println("gave " + call("cuMemGetInfo_v2", out, out));
                } catch (Throwable thrown) {
                  throw new IllegalStateException(thrown);
                }
              });
      other.start();
      other.join();
    }

    private void unreachedEvent() throws Throwable {
      long stream = enter();
      long event = made("cuEventCreate", 0);
      call("cuEventRecord", event, stream);
      System.out.println("gave " + call("cuEventElapsedTime", out, event, event));
    }

    private void copy(MemorySegment from) throws Throwable {
      long stream = enter();
      long to = made("cuMemAlloc_v2", 64L);
      call("cuMemcpyHtoDAsync_v2", to, from, 64L, stream);
    }

    private void freed() throws Throwable {
      enter();
      long host = made("cuMemAllocHost_v2", 64L);
      copy(MemorySegment.ofAddress(host));
      call("cuMemFreeHost", MemorySegment.ofAddress(host));
    }
  }

  @Test
  void theDriverInItsPlaceIsStrict() throws Exception {
    assertMisuse("context", 0, "gave 201");
    assertMisuse("thread", 0, "gave 201");
    assertMisuse("event", 0, "gave 600");
    assertMisuse(
        "pageable", 86, "driver misuse: an asynchronous copy of memory that is not pinned");
    assertMisuse("freed", 86, "driver misuse: pinned memory is freed while copies may run");
  }

  private static void assertMisuse(String what, int status, String words) throws Exception {
    ChildJvm.Outcome outcome = run(Misuse.class, List.of(), Map.of(), what);
    assertEquals(words, outcome.output());
    assertEquals(status, outcome.status());
  }
}
