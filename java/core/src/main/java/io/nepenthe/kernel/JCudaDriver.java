package io.nepenthe.kernel;

import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDeviceGetAttribute;
import static jcuda.driver.JCudaDriver.cuDeviceGetName;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRelease;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxReset;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRetain;
import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventDestroy;
import static jcuda.driver.JCudaDriver.cuEventElapsedTime;
import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuEventSynchronize;
import static jcuda.driver.JCudaDriver.cuFuncGetAttribute;
import static jcuda.driver.JCudaDriver.cuFuncSetAttribute;
import static jcuda.driver.JCudaDriver.cuGetErrorName;
import static jcuda.driver.JCudaDriver.cuGetErrorString;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuLaunchKernel;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemFree;
import static jcuda.driver.JCudaDriver.cuMemGetInfo;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoDAsync;
import static jcuda.driver.JCudaDriver.cuMemsetD8Async;
import static jcuda.driver.JCudaDriver.cuModuleGetFunction;
import static jcuda.driver.JCudaDriver.cuModuleLoadData;
import static jcuda.driver.JCudaDriver.cuModuleUnload;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;

/**
 * A real device, by CUDA's driver API: its primary context, one stream, a fatbin for each operation
 * loaded at its first launch.
 */
final class JCudaDriver implements CudaDriver {
  /** Waits after every launch if true, so that a failure names the kernel that failed. */
  static final String SYNC_PROPERTY = "nepenthe.cuda.sync";

  private static final int NON_BLOCKING = 1;
  private static final int DYNAMIC_SHARED_WITHOUT_ASKING = 48 << 10;

  private final CUdevice device = new CUdevice();
  private final CUcontext context = new CUcontext();
  private final Stream stream = new Stream();
  private final JCudaStaging staging;
  private final String name;
  private final int multiprocessors;
  private final int capability;
  private final boolean sync = Boolean.getBoolean(SYNC_PROPERTY);
  private final Map<String, CUmodule> modules = new HashMap<>();
  private final Map<String, Kernel> kernels = new HashMap<>();
  private final Map<Long, Long> live = new HashMap<>();
  private Pointer arguments = new Pointer();
  private int argumentCount = -1;
  private boolean broken;
  private boolean closed;

  /**
   * A kernel's function.
   *
   * @param sharedBytes the dynamic shared memory that it may be launched with
   */
  private record Kernel(CUfunction function, int threads, int sharedBytes) {}

  /** A stream that tells its address. */
  private static final class Stream extends CUstream {
    long address() {
      return getNativePointer();
    }
  }

  /** A pointer to memory of the host, by its address. */
  static final class HostPointer extends Pointer {
    HostPointer() {}

    HostPointer(long address) {
      super(address);
    }

    long address() {
      return getNativePointer();
    }
  }

  /** A pointer to memory of the device, by its address. */
  static final class DevicePointer extends CUdeviceptr {
    DevicePointer() {}

    DevicePointer(long address) {
      super(new CUdeviceptr(), address);
    }

    long address() {
      return getNativePointer();
    }
  }

  JCudaDriver(int ordinal) {
    call("cuInit", cuInit(0));
    call("cuDeviceGet " + ordinal, cuDeviceGet(device, ordinal));
    byte[] text = new byte[256];
    call("cuDeviceGetName", cuDeviceGetName(text, text.length, device));
    String full = new String(text, StandardCharsets.UTF_8);
    int end = full.indexOf(0);
    this.name = (end < 0 ? full : full.substring(0, end)) + " (cuda:" + ordinal + ")";
    this.multiprocessors = attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    this.capability =
        10 * attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
            + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    call("cuDevicePrimaryCtxRetain", cuDevicePrimaryCtxRetain(context, device));
    call("cuCtxSetCurrent", cuCtxSetCurrent(context));
    call("cuStreamCreate", cuStreamCreate(stream, NON_BLOCKING));
    this.staging = new JCudaStaging(stream, this::call);
  }

  private int attribute(int which) {
    int[] value = new int[1];
    call("cuDeviceGetAttribute", cuDeviceGetAttribute(value, which, device));
    return value[0];
  }

  /** Every call's end. */
  private void call(String what, int result) {
    if (result != CUresult.CUDA_SUCCESS) {
      broken |= isFatal(result);
      String[] code = {""};
      String[] reason = {""};
      cuGetErrorName(result, code);
      cuGetErrorString(result, reason);
      throw new CudaException(what + ": " + code[0] + " (" + result + "), " + reason[0]);
    }
  }

  /** Whether the context is lost: every later call would say the same of the same failure. */
  private static boolean isFatal(int result) {
    return switch (result) {
      case CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_ASSERT,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_UNKNOWN ->
          true;
      default -> false;
    };
  }

  @Override
  public void enter() {
    if (!closed) {
      call("cuCtxSetCurrent", cuCtxSetCurrent(context));
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String describe() {
    return "device=" + name + "\nmultiprocessors=" + multiprocessors;
  }

  @Override
  public long stream() {
    return stream.address();
  }

  @Override
  public int capability() {
    return capability;
  }

  @Override
  public int multiprocessors() {
    return multiprocessors;
  }

  @Override
  public Memory memory() {
    enter();
    long[] free = new long[1];
    long[] total = new long[1];
    call("cuMemGetInfo", cuMemGetInfo(free, total));
    return new Memory(total[0], free[0]);
  }

  @Override
  public long allocate(long bytes) {
    enter();
    DevicePointer pointer = new DevicePointer();
    int result = cuMemAlloc(pointer, Math.max(bytes, 1));
    if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      return 0;
    }
    call("cuMemAlloc of " + bytes + " bytes", result);
    live.put(pointer.address(), bytes);
    return pointer.address();
  }

  @Override
  public void free(long address) {
    if (!closed) {
      live.remove(address);
    }
    if (!closed && !broken) { // with its context, a device's memory is lost, and the error said
      synchronise(); // a kernel may still work there
      call("cuMemFree", cuMemFree(new DevicePointer(address)));
    }
  }

  @Override
  public long liveBytes() {
    return live.values().stream().mapToLong(Long::longValue).sum();
  }

  @Override
  public void upload(long to, MemorySegment from) {
    CudaTransferEvent event = CudaTransferEvent.begun();
    enter();
    staging.upload(to, from);
    event.ended(true, from.byteSize());
  }

  @Override
  public void download(MemorySegment to, long from) {
    CudaTransferEvent event = CudaTransferEvent.begun();
    enter();
    staging.download(to, from);
    event.ended(false, to.byteSize());
  }

  @Override
  public void copy(long to, long from, long bytes) {
    enter();
    call(
        "cuMemcpyDtoD of " + bytes + " bytes",
        cuMemcpyDtoDAsync(new DevicePointer(to), new DevicePointer(from), bytes, stream));
  }

  @Override
  public void clear(long to, long bytes) {
    enter();
    call(
        "cuMemsetD8 of " + bytes + " bytes",
        cuMemsetD8Async(new DevicePointer(to), (byte) 0, bytes, stream));
  }

  @Override
  public int threads(String kernel) {
    enter();
    return kernel(kernel).threads;
  }

  private Kernel kernel(String name) {
    return kernels.computeIfAbsent(
        name,
        key -> {
          CUfunction function = new CUfunction();
          CUmodule module = modules.computeIfAbsent(CudaKernels.source(key), this::load);
          call("cuModuleGetFunction " + key, cuModuleGetFunction(function, module, key));
          int[] threads = new int[1];
          call(
              "cuFuncGetAttribute",
              cuFuncGetAttribute(
                  threads, CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function));
          return new Kernel(function, threads[0], DYNAMIC_SHARED_WITHOUT_ASKING);
        });
  }

  private CUmodule load(String source) {
    String resource = "/io/nepenthe/cuda/" + source + ".fatbin";
    try (InputStream in = JCudaDriver.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new CudaException(
            "this build has no CUDA kernels (" + resource + "): it was made without nvcc");
      }
      CUmodule module = new CUmodule();
      call(
          "cuModuleLoadData %s, of %s".formatted(resource, CudaKernels.made()),
          cuModuleLoadData(module, in.readAllBytes()));
      return module;
    } catch (IOException e) {
      throw new CudaException("cannot read " + resource + ": " + e, e);
    }
  }

  @Override
  public void launch(String kernel, Grid grid, int sharedBytes, CudaArguments values) {
    enter();
    Kernel found = kernel(kernel);
    if (sharedBytes > found.sharedBytes) {
      call(
          "cuFuncSetAttribute %s, %d bytes of shared memory".formatted(kernel, sharedBytes),
          cuFuncSetAttribute(
              found.function,
              CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
              sharedBytes));
      kernels.put(kernel, new Kernel(found.function, found.threads, sharedBytes));
    }
    int result =
        cuLaunchKernel(
            found.function,
            Math.toIntExact(grid.x()),
            Math.toIntExact(grid.y()),
            Math.toIntExact(grid.z()),
            found.threads,
            1,
            1,
            sharedBytes,
            stream,
            pointers(values),
            null);
    if (result != CUresult.CUDA_SUCCESS) { // words only where somebody reads them
      call("cuLaunchKernel " + words(kernel, grid, found), result);
    }
    if (sync) {
      call(words(kernel, grid, found), cuStreamSynchronize(stream));
    }
  }

  private static String words(String kernel, Grid grid, Kernel found) {
    return "%s, grid %s, block %d".formatted(kernel, grid, found.threads);
  }

  /** The slots of the values as JCuda's pointers. */
  private Pointer pointers(CudaArguments values) {
    if (values.count() != argumentCount) {
      argumentCount = values.count();
      Pointer[] slots = new Pointer[argumentCount];
      for (int i = 0; i < argumentCount; i++) {
        slots[i] = new HostPointer(values.address(i));
      }
      arguments = Pointer.to(slots);
    }
    return arguments;
  }

  @Override
  public void synchronise() {
    enter();
    call("cuStreamSynchronize", cuStreamSynchronize(stream));
  }

  @Override
  public double seconds(Runnable work) {
    enter();
    CUevent start = new CUevent();
    CUevent end = new CUevent();
    call("cuEventCreate", cuEventCreate(start, 0));
    call("cuEventCreate", cuEventCreate(end, 0));
    call("cuEventRecord", cuEventRecord(start, stream));
    work.run();
    call("cuEventRecord", cuEventRecord(end, stream));
    call("cuEventSynchronize", cuEventSynchronize(end));
    float[] milliseconds = new float[1];
    call("cuEventElapsedTime", cuEventElapsedTime(milliseconds, start, end));
    cuEventDestroy(start);
    cuEventDestroy(end);
    return milliseconds[0] * 1e-3;
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    try {
      synchronise();
    } catch (CudaException e) {
      // Whoever asked for results has been told; what can be released is.
    }
    if (broken) { // what is left of the context would refuse everything to whoever is next
      cuDevicePrimaryCtxReset(device);
    } else {
      live.keySet().forEach(address -> cuMemFree(new DevicePointer(address)));
      modules.values().forEach(module -> cuModuleUnload(module));
      staging.close();
      cuStreamDestroy(stream);
    }
    live.clear();
    cuCtxSetCurrent(new CUcontext());
    cuDevicePrimaryCtxRelease(device);
    closed = true;
  }
}
