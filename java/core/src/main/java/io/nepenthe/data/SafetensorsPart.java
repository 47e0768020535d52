package io.nepenthe.data;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Function;

/**
 * A tensor to be written. Its values may be made only when their turn has come, so that not all of
 * a file need be in memory at once.
 *
 * @param type of the values
 * @param shape its sizes
 * @param values gives them, little-endian, in memory of the arena that it is handed or its own
 */
public record SafetensorsPart(
    SafetensorsType type, Shape shape, Function<Arena, MemorySegment> values) {
  /** A tensor of the host. */
  public static SafetensorsPart of(Tensor tensor) {
    return new SafetensorsPart(SafetensorsType.F32, tensor.shape(), arena -> tensor.segment());
  }

  /** Float64 values in native memory. */
  public static SafetensorsPart doubles(Shape shape, MemorySegment values) {
    return new SafetensorsPart(SafetensorsType.F64, shape, arena -> values);
  }

  /** Whole numbers. */
  public static SafetensorsPart integers(long... values) {
    return new SafetensorsPart(
        SafetensorsType.I64,
        Shape.of(values.length),
        arena -> arena.allocateFrom(ValueLayout.JAVA_LONG, values));
  }
}
