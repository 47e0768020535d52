package io.nepenthe.kernel;

import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRetain;
import static jcuda.driver.JCudaDriver.cuInit;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.SplittableRandom;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import org.junit.jupiter.api.Assumptions;

/** What tests of CUDA kernels share: a device under many schedules, and memory on it. */
final class CudaTest {
  /** Every kernel is run under this many schedules; under a sanitizer fewer will do. */
  static final int SCHEDULES = Integer.getInteger("nepenthe.cuda.schedules", 20);

  /** Libraries in the place of CUDA's, which do on the host what the manuals say. */
  static final Path LIBRARIES = Repository.path("target/native/release/libraries");

  private static final float POISON = Float.intBitsToFloat(0x7fa5a5a5);

  private static Optional<CUcontext> kept = Optional.empty();

  private CudaTest() {}

  /**
   * The emulated device with that schedule; with {@code -Dnepenthe.gpu=required} the first real
   * one, which must be there.
   */
  static CudaBackend emulated(long seed, Precision precision) {
    if (RequireGpu.Condition.required()) {
      keepContext();
      return (CudaBackend) Device.cuda(0, precision).open();
    }
    return new CudaBackend(
        new Device.Cuda(0, precision), new EmulatedDriver(EmulatedDriver.packaged(), seed));
  }

  /**
   * Keeps the first device's primary context for as long as the process lives: to make one takes
   * long, and tests open the device many times.
   */
  static synchronized void keepContext() {
    if (kept.isEmpty()) {
      Device.Cuda.unavailable(0) // which loads the driver from wherever it is, for JCuda too
          .ifPresent(
              reason -> {
                throw new AssertionError("no CUDA device: " + reason);
              });
      cuInit(0);
      CUdevice device = new CUdevice();
      cuDeviceGet(device, 0);
      CUcontext context = new CUcontext();
      cuDevicePrimaryCtxRetain(context, device);
      kept = Optional.of(context);
    }
  }

  /**
   * Skips a test of them where there are none, or on a real device, whose memory they cannot read.
   */
  static void assumeLibrariesInPlace() {
    Assumptions.assumeFalse(RequireGpu.Condition.required(), "the device is a real one");
    Assumptions.assumeTrue(Files.isDirectory(LIBRARIES), "no " + LIBRARIES + ": not a source tree");
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
  }

  /** One schedule's run. */
  interface Body {
    void run(Board board);
  }

  /** Runs the body under every schedule, and sees that all device memory is given back. */
  static void everySchedule(Precision precision, Body body) {
    for (int seed = 0; seed < SCHEDULES; seed++) {
      CudaBackend backend = emulated(seed, precision);
      CudaDriver driver = backend.context().driver();
      try (backend) {
        try (Arena arena = Arena.ofConfined();
            Backend cpu = Device.cpu(1).open()) {
          body.run(new Board(seed, backend, cpu, arena, new SplittableRandom(seed)));
        }
        assertEquals(0, backend.context().memory().liveBytes(), "live bytes, schedule " + seed);
      } catch (RuntimeException | AssertionError e) {
        e.addSuppressed(new AssertionError("under schedule " + seed));
        throw e;
      }
      assertEquals(0, driver.liveBytes(), "live bytes of the driver, schedule " + seed);
    }
  }

  /** Both backends, and what a body draws from. */
  record Board(int seed, CudaBackend cuda, Backend cpu, Arena arena, SplittableRandom random) {
    /** A size of a list, by the seed. */
    int pick(int... sizes) {
      return sizes[seed % sizes.length];
    }

    /** Values of the host, standard normal. */
    Tensor normal(long... sizes) {
      Tensor tensor = Tensor.zeros(arena, sizes);
      for (long i = 0; i < tensor.elements(); i++) {
        tensor.set(i, (float) random.nextGaussian());
      }
      return tensor;
    }

    Tensor copy(Tensor tensor) {
      return KernelTest.copy(arena, tensor);
    }

    Twin twin(Tensor host) {
      return new Twin(this, host);
    }
  }

  /**
   * A tensor of the host and the same on the device: there it is aligned to 16 bytes under even
   * schedules and to 4 under odd ones, between poisoned values that must stay.
   */
  static final class Twin {
    private static final int GUARD = 8;

    final Tensor host;
    final Tensor device;
    private final Board board;
    private final Tensor all;
    private final int before;

    private Twin(Board board, Tensor host) {
      this.board = board;
      this.host = host;
      this.before = GUARD + board.seed % 2;
      Tensor values = Tensor.zeros(board.arena, host.elements() + 2L * GUARD + 1);
      for (long i = 0; i < values.elements(); i++) {
        values.set(i, POISON);
      }
      values.slice(before, host.shape()).copyFrom(host);
      this.all = board.cuda.zeros(board.arena, values.shape());
      all.copyFrom(values);
      this.device = all.slice(before, host.shape());
    }

    /** What the device holds now; fails if a value beside it was written. */
    Tensor now() {
      Tensor values = Tensor.zeros(board.arena, all.shape());
      values.copyFrom(all);
      for (long i = 0; i < values.elements(); i++) {
        if (i < before || i >= before + host.elements()) {
          assertEquals(
              Float.floatToRawIntBits(POISON),
              Float.floatToRawIntBits(values.get(i)),
              "beside the tensor, at " + (i - before));
        }
      }
      return values.slice(before, host.shape());
    }

    /** Fails unless the device holds the host's bits. */
    void assertSame() {
      KernelTest.assertBitwise(host, now());
    }
  }

  /** A drift-free sum on the host and one on the device, both holding the same. */
  static final class TwinSum {
    final Twin sum;
    final Twin rest;
    final DriftFreeSum host;
    final DriftFreeSum device;

    /** With a number of terms in it, of which the device takes part. */
    TwinSum(Board board, Shape shape) {
      sum = board.twin(Tensor.zeros(board.arena, shape));
      rest = board.twin(Tensor.zeros(board.arena, shape));
      host = DriftFreeSum.of(sum.host, rest.host);
      device = DriftFreeSum.of(sum.device, rest.device);
    }

    void assertSame() {
      sum.assertSame();
      rest.assertSame();
      assertEquals(host.count(), device.count());
    }
  }
}
