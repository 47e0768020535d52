package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.Collectors;

/** oneDNN primitives, up to one for each pass (native/src/onednn.h). */
final class CpuAffinePlan implements AffinePlan {
  private static final MethodHandle PLAN_CONVOLUTION =
      NativeLibrary.function("nep_plan_convolution", POINTER, INT, POINTER, INT, INT);
  private static final MethodHandle PLAN_LINEAR =
      NativeLibrary.function("nep_plan_linear", POINTER, INT, LONG, LONG, LONG, INT, INT);
  private static final MethodHandle WORKSPACE =
      NativeLibrary.function("nep_primitive_workspace", LONG, POINTER);
  private static final MethodHandle DESCRIBE =
      NativeLibrary.function("nep_primitive_describe", LONG, POINTER, POINTER, LONG);
  private static final MethodHandle EXECUTE =
      NativeLibrary.function(
          "nep_primitive_execute",
          INT,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          POINTER,
          INT);
  private static final MethodHandle DESTROY =
      NativeLibrary.action("nep_primitive_destroy", POINTER);
  private static final MethodHandle LAST_ERROR =
      NativeLibrary.function("nep_last_error", LONG, POINTER, LONG);

  private static final int FORWARD = 0;
  private static final int INPUT_GRADIENT = 1;
  private static final int PARAMETER_GRADIENT = 2;
  private static final int ADDED_INPUT_GRADIENT = 3;
  private static final int DIRECTIONS = 4;
  private static final int TEXT_CAPACITY = 1024;

  private final Affine sizes;
  private final DenseChecks.Shapes shapes;
  private final Workspace workspace;
  private final int threads;
  private final Primitive[] primitives = new Primitive[DIRECTIONS];
  private boolean closed;

  private record Primitive(MemorySegment handle, long workspaceBytes, String implementations) {}

  CpuAffinePlan(Affine sizes, Workspace workspace, int threads) {
    this.sizes = sizes;
    this.shapes = DenseChecks.Shapes.of(sizes);
    this.workspace = workspace;
    this.threads = threads;
  }

  @Override
  public Affine sizes() {
    return sizes;
  }

  @Override
  public void forward(Tensor x, Tensor weights, Tensor bias, Tensor y) {
    DenseChecks.forward(shapes, x, weights, bias, y);
    execute(FORWARD, x.segment(), weights.segment(), optional(bias), y, MemorySegment.NULL, false);
  }

  @Override
  public void inputGradient(Tensor dy, Tensor weights, Tensor dx, boolean accumulate) {
    DenseChecks.inputGradient(shapes, dy, weights, dx);
    MemorySegment none = MemorySegment.NULL;
    int direction = accumulate ? ADDED_INPUT_GRADIENT : INPUT_GRADIENT;
    execute(direction, dy.segment(), weights.segment(), none, dx, none, false);
  }

  @Override
  public void parameterGradient(
      Tensor x, Tensor dy, Tensor dWeights, Tensor dBias, boolean accumulate) {
    DenseChecks.parameterGradient(shapes, x, dy, dWeights, dBias);
    execute(
        PARAMETER_GRADIENT,
        x.segment(),
        dy.segment(),
        MemorySegment.NULL,
        dWeights,
        optional(dBias),
        accumulate);
  }

  private static MemorySegment optional(Tensor tensor) {
    return tensor.elements() == 0 ? MemorySegment.NULL : tensor.segment();
  }

  private void execute(
      int direction,
      MemorySegment first,
      MemorySegment second,
      MemorySegment third,
      Tensor out,
      MemorySegment secondOut,
      boolean accumulate) {
    int status;
    try (Workspace.Turn turn = workspace.begin()) {
      Primitive primitive = primitive(direction);
      MemorySegment scratch = turn.reserve(primitive.workspaceBytes);
      status =
          (int)
              EXECUTE.invokeExact(
                  primitive.handle,
                  first,
                  second,
                  third,
                  out.segment(),
                  secondOut,
                  scratch,
                  accumulate ? 1 : 0);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
    if (status != 0) {
      throw new NativeException("oneDNN could not run " + sizes + ": " + lastError());
    }
  }

  private Primitive primitive(int direction) {
    if (closed) {
      throw new IllegalStateException("the plan is closed");
    }
    if (primitives[direction] == null) {
      primitives[direction] = plan(direction);
    }
    return primitives[direction];
  }

  private Primitive plan(int direction) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle =
          switch (sizes) {
            case Affine.Linear l ->
                (MemorySegment)
                    PLAN_LINEAR.invokeExact(
                        direction, l.batch(), l.inputs(), l.outputs(), l.bias() ? 1 : 0, threads);
            case Affine.Convolution c ->
                (MemorySegment)
                    PLAN_CONVOLUTION.invokeExact(
                        direction, geometry(arena, c), c.bias() ? 1 : 0, threads);
          };
      if (handle.equals(MemorySegment.NULL)) {
        throw new NativeException("oneDNN could not plan " + sizes + ": " + lastError());
      }
      long bytes = (long) WORKSPACE.invokeExact(handle) * Float.BYTES;
      MemorySegment text = arena.allocate(TEXT_CAPACITY);
      long length = (long) DESCRIBE.invokeExact(handle, text, (long) TEXT_CAPACITY);
      return new Primitive(handle, bytes, string(text, length));
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  private static MemorySegment geometry(Arena arena, Affine.Convolution c) {
    Window w = c.window();
    return arena.allocateFrom(
        ValueLayout.JAVA_LONG,
        c.batch(),
        c.height(),
        c.width(),
        c.inputs(),
        c.outputs(),
        w.kernelHeight(),
        w.kernelWidth(),
        w.strideHeight(),
        w.strideWidth(),
        w.dilationHeight(),
        w.dilationWidth(),
        w.top(),
        w.left(),
        w.bottom(),
        w.right(),
        c.groups());
  }

  private static String lastError() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(TEXT_CAPACITY);
      long length = (long) LAST_ERROR.invokeExact(text, (long) TEXT_CAPACITY);
      return string(text, length);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  private static String string(MemorySegment text, long length) {
    long shown = Math.min(length, TEXT_CAPACITY);
    return new String(
        text.asSlice(0, shown).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
  }

  @Override
  public String implementations() {
    return Arrays.stream(primitives)
        .filter(Objects::nonNull)
        .map(Primitive::implementations)
        .collect(Collectors.joining(","));
  }

  @Override
  public void close() {
    try (Workspace.Turn _ = workspace.begin()) {
      closed = true;
      for (int i = 0; i < primitives.length; i++) {
        Primitive primitive = primitives[i];
        primitives[i] = null;
        if (primitive != null) {
          DESTROY.invokeExact(primitive.handle);
        }
      }
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }
}
