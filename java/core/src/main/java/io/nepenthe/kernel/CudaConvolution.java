package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;

/** A convolution's forward pass and its input's gradient by cuDNN, planned once. */
final class CudaConvolution implements AutoCloseable {
  /** What a pass may take beside its tensors. */
  private static final long MOST_WORKSPACE = 256L << 20;

  /** What cuDNN's kernels load at once, and expect to be aligned. */
  private static final long ALIGNMENT = 16;

  private static final int CHANNELS_LAST = 1; // CUDNN_TENSOR_NHWC
  private static final int FLOAT = 0; // CUDNN_DATA_FLOAT
  private static final int CROSS_CORRELATION = 1;
  private static final int DETERMINISTIC = 1;

  // cudnnConvolution…AlgoPerf_t: algorithm, status, time, memory, determinism, arithmetic, three
  // reserved.
  private static final int ALGORITHMS = 8;
  private static final long EACH = 48;
  private static final long STATUS = 4;
  private static final long DETERMINISM = 24;

  private final CudaDnn dnn;
  private final Affine.Convolution sizes;
  private final Arena arena = Arena.ofShared();
  private final Deque<Runnable> descriptors = new ArrayDeque<>();
  private final MemorySegment x;
  private final MemorySegment weights;
  private final MemorySegment y;
  private final MemorySegment convolution;
  private final MemorySegment one;
  private final MemorySegment beta;
  private final Algorithm forward;
  private final Algorithm backward;
  private final CudaDnn.Call runForward;
  private final CudaDnn.Call runBackward;

  private record Algorithm(int number, long workspace) {}

  /**
   * @throws CudaException if cuDNN has no deterministic algorithm for one of the passes
   */
  CudaConvolution(CudaDnn dnn, Affine.Convolution c) {
    this.dnn = dnn;
    this.sizes = c;
    this.one = arena.allocate(ValueLayout.JAVA_FLOAT);
    this.beta = arena.allocate(ValueLayout.JAVA_FLOAT);
    one.set(ValueLayout.JAVA_FLOAT, 0, 1);
    try {
      this.x = tensor(c.input());
      this.y = tensor(c.output());
      this.weights = filter(c.weights());
      this.convolution = convolution(c.window());
      this.forward = choose("Forward", x, weights, y);
      this.backward = choose("BackwardData", weights, y, x);
      this.runForward = pass("cudnnConvolutionForward");
      this.runBackward = pass("cudnnConvolutionBackwardData");
    } catch (CudaException e) {
      close();
      throw e;
    }
  }

  /** One group, as much padding on one side as on the other, and sizes that 31 bits hold. */
  static boolean fits(Affine.Convolution c) {
    Window w = c.window();
    return c.groups() == 1
        && c.output().size(1) == size(c.height(), w.top(), w.kernelHeight(), w, true)
        && c.output().size(2) == size(c.width(), w.left(), w.kernelWidth(), w, false)
        && Math.max(c.input().elements(), c.output().elements()) <= Integer.MAX_VALUE;
  }

  /** What cuDNN makes of the padding before, which it takes for that behind, too. */
  private static long size(long in, int padding, int kernel, Window w, boolean vertical) {
    int stride = vertical ? w.strideHeight() : w.strideWidth();
    int dilation = vertical ? w.dilationHeight() : w.dilationWidth();
    return 1 + (in + 2L * padding - ((kernel - 1L) * dilation + 1)) / stride;
  }

  private MemorySegment made(String kind) {
    MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
    dnn.call("cudnnCreate" + kind, POINTER).invoke(out);
    MemorySegment descriptor = out.get(ValueLayout.ADDRESS, 0);
    descriptors.push(() -> dnn.call("cudnnDestroy" + kind, POINTER).invoke(descriptor));
    return descriptor;
  }

  /** Of shape N·H·W·C, which cuDNN names in the order N, C, H, W whatever the layout. */
  private MemorySegment tensor(Shape shape) {
    return described("TensorDescriptor", "cudnnSetTensor4dDescriptor", CHANNELS_LAST, FLOAT, shape);
  }

  /** Of shape O·KH·KW·I; the layout and the type stand in the other order here. */
  private MemorySegment filter(Shape shape) {
    return described("FilterDescriptor", "cudnnSetFilter4dDescriptor", FLOAT, CHANNELS_LAST, shape);
  }

  private MemorySegment described(String kind, String set, int first, int second, Shape shape) {
    MemorySegment descriptor = made(kind);
    dnn.call(set, POINTER, INT, INT, INT, INT, INT, INT)
        .invoke(descriptor, first, second, at(shape, 0), at(shape, 3), at(shape, 1), at(shape, 2));
    return descriptor;
  }

  private static int at(Shape shape, int axis) {
    return Math.toIntExact(shape.size(axis));
  }

  private MemorySegment convolution(Window w) {
    MemorySegment descriptor = made("ConvolutionDescriptor");
    dnn.call("cudnnSetConvolution2dDescriptor", POINTER, INT, INT, INT, INT, INT, INT, INT, INT)
        .invoke(
            descriptor,
            w.top(),
            w.left(),
            w.strideHeight(),
            w.strideWidth(),
            w.dilationHeight(),
            w.dilationWidth(),
            CROSS_CORRELATION,
            FLOAT);
    dnn.call("cudnnSetConvolutionMathType", POINTER, INT).invoke(descriptor, dnn.math());
    return descriptor;
  }

  /**
   * The one that cuDNN expects to be the fastest of those that leave the same bits each time. Its
   * list is of every arithmetic that is permitted, so what an algorithm needs in this convolution's
   * is asked for on its own.
   */
  private Algorithm choose(
      String pass, MemorySegment first, MemorySegment second, MemorySegment result) {
    String function = "cudnnGetConvolution" + pass + "Algorithm_v7";
    CudaDnn.Call workspace =
        dnn.call(
            "cudnnGetConvolution" + pass + "WorkspaceSize",
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            POINTER,
            INT,
            POINTER);
    try (Arena local = Arena.ofConfined()) {
      MemorySegment count = local.allocate(ValueLayout.JAVA_INT);
      MemorySegment memory = local.allocate(ValueLayout.JAVA_LONG);
      MemorySegment found = local.allocate(ALGORITHMS * EACH, Long.BYTES);
      dnn.call(function, POINTER, POINTER, POINTER, POINTER, POINTER, INT, POINTER, POINTER)
          .invoke(dnn.handle(), first, second, convolution, result, ALGORITHMS, count, found);
      for (int i = 0; i < count.get(ValueLayout.JAVA_INT, 0); i++) {
        MemorySegment one = found.asSlice(i * EACH, EACH);
        int number = one.get(ValueLayout.JAVA_INT, 0);
        if (one.get(ValueLayout.JAVA_INT, STATUS) == 0
            && one.get(ValueLayout.JAVA_INT, DETERMINISM) == DETERMINISTIC
            && workspace.succeeds(dnn.handle(), first, second, convolution, result, number, memory)
            && memory.get(ValueLayout.JAVA_LONG, 0) <= MOST_WORKSPACE) {
          return new Algorithm(number, memory.get(ValueLayout.JAVA_LONG, 0));
        }
      }
      throw new CudaException(function + ": none is deterministic");
    }
  }

  private CudaDnn.Call pass(String function) {
    return dnn.call(
        function, POINTER, POINTER, POINTER, LONG, POINTER, LONG, POINTER, INT, LONG, LONG, POINTER,
        POINTER, LONG);
  }

  /** y = x ∗ w + beta·y, of addresses of device memory. */
  void forward(CudaContext.Operation op, long input, long filter, long output, float betaValue) {
    long in = aligned(op, input, sizes.input());
    long by = aligned(op, filter, sizes.weights());
    long out = room(op, output, sizes.output());
    if (betaValue != 0) {
      move(op, out, output, sizes.output());
    }
    run(op, runForward, forward, x, in, weights, by, betaValue, y, out);
    move(op, output, out, sizes.output());
  }

  /** gradient = that of the input + beta·gradient. */
  void inputGradient(
      CudaContext.Operation op, long outputGradient, long filter, long gradient, float betaValue) {
    long by = aligned(op, filter, sizes.weights());
    long from = aligned(op, outputGradient, sizes.output());
    long out = room(op, gradient, sizes.input());
    if (betaValue != 0) {
      move(op, out, gradient, sizes.input());
    }
    run(op, runBackward, backward, weights, by, y, from, betaValue, x, out);
    move(op, gradient, out, sizes.input());
  }

  /** That place if it is aligned, else another: a layer's weights may begin at any of a model's. */
  private static long room(CudaContext.Operation op, long address, Shape shape) {
    return address % ALIGNMENT == 0 ? address : op.scratch(shape.bytes());
  }

  /** The same, with what is there. */
  private static long aligned(CudaContext.Operation op, long address, Shape shape) {
    long place = room(op, address, shape);
    move(op, place, address, shape);
    return place;
  }

  private static void move(CudaContext.Operation op, long to, long from, Shape shape) {
    if (to != from) {
      op.copy(to, from, shape.bytes());
    }
  }

  private void run(
      CudaContext.Operation op,
      CudaDnn.Call call,
      Algorithm algorithm,
      MemorySegment first,
      long firstAt,
      MemorySegment second,
      long secondAt,
      float betaValue,
      MemorySegment result,
      long resultAt) {
    beta.set(ValueLayout.JAVA_FLOAT, 0, betaValue);
    long workspace = algorithm.workspace == 0 ? 0 : op.scratch(algorithm.workspace);
    try {
      int status =
          (int)
              call.method()
                  .invokeExact(
                      dnn.handle(),
                      one,
                      first,
                      firstAt,
                      second,
                      secondAt,
                      convolution,
                      algorithm.number,
                      workspace,
                      algorithm.workspace,
                      beta,
                      result,
                      resultAt);
      call.check(status);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  @Override
  public void close() {
    while (!descriptors.isEmpty()) {
      descriptors.pop().run();
    }
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
