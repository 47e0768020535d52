package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Why no device can be used, asked of the driver's library itself: JCuda fails for good when it is
 * touched without one.
 */
final class CudaProbe {
  /** Of {@code CUdevice_attribute}. */
  private static final int CAPABILITY_MAJOR = 75;

  private static final int CAPABILITY_MINOR = 76;

  private final CudaLibrary driver;
  private final MemorySegment number;

  private CudaProbe(CudaLibrary driver, MemorySegment number) {
    this.driver = driver;
    this.number = number;
  }

  /**
   * The first reason that is found.
   *
   * @param ordinal of the device that is wanted
   * @return empty if it is there
   */
  static Optional<String> unavailable(int ordinal) {
    Optional<CudaLibrary> found;
    try {
      found = CudaLibrary.find("libcuda.so.1");
    } catch (IllegalCallerException e) {
      return Optional.of(e.getMessage() + ": " + LoadFailure.accessRemedy());
    }
    if (found.isEmpty()) {
      return Optional.of("no NVIDIA driver on this machine: libcuda.so.1 was not found");
    }
    try (Arena arena = Arena.ofConfined()) {
      return new CudaProbe(found.get(), arena.allocate(ValueLayout.JAVA_INT)).reason(ordinal);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  private Optional<String> reason(int ordinal) throws Throwable {
    int version = ask("cuDriverGetVersion");
    int needed = CudaKernels.toolkit().orElse(0);
    if (version / 1000 < needed / 1000) {
      return Optional.of(
          "the NVIDIA driver is for CUDA %s, %s is needed: the kernels were compiled by that"
              .formatted(dotted(version), dotted(needed)));
    }
    int status = (int) driver.function("cuInit", INT, INT).invokeExact(0);
    if (status != 0) {
      return Optional.of("the NVIDIA driver does not start: cuInit gave " + status);
    }
    int devices = ask("cuDeviceGetCount");
    if (devices <= ordinal) {
      return Optional.of(
          devices == 0
              ? "the NVIDIA driver has no device"
              : "there is no device " + ordinal + ": the last one is " + (devices - 1));
    }
    return olderThanTheKernels(ordinal);
  }

  private Optional<String> olderThanTheKernels(int ordinal) throws Throwable {
    MethodHandle get = driver.function("cuDeviceGet", INT, POINTER, INT);
    int status = (int) get.invokeExact(number, ordinal);
    int device = number.get(ValueLayout.JAVA_INT, 0);
    MethodHandle attribute = driver.function("cuDeviceGetAttribute", INT, POINTER, INT, INT);
    if (status == 0) {
      status = (int) attribute.invokeExact(number, CAPABILITY_MAJOR, device);
    }
    int capability = 10 * number.get(ValueLayout.JAVA_INT, 0);
    if (status == 0) {
      status = (int) attribute.invokeExact(number, CAPABILITY_MINOR, device);
    }
    capability += number.get(ValueLayout.JAVA_INT, 0);
    int least = CudaKernels.leastCapability().orElse(0);
    if (status != 0) {
      return Optional.of(
          "the NVIDIA driver does not say what device " + ordinal + " is: " + status);
    }
    return capability >= least
        ? Optional.empty()
        : Optional.of(
            "device %d has compute capability %d.%d, the kernels need %d.%d"
                .formatted(ordinal, capability / 10, capability % 10, least / 10, least % 10));
  }

  /** What a function that gives one number gives; 0 if it fails. */
  private int ask(String function) throws Throwable {
    MethodHandle method = driver.function(function, INT, POINTER);
    int status = (int) method.invokeExact(number);
    return status == 0 ? number.get(ValueLayout.JAVA_INT, 0) : 0;
  }

  private static String dotted(int version) {
    return version / 1000 + "." + version % 1000 / 10;
  }
}
