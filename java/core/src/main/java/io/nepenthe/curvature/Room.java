package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/** Memory where the operations run, which grows with the largest batch and lives as an arena. */
final class Room {
  private final Arena arena;
  private final Backend backend;
  private Tensor held;

  /** None yet. */
  Room(Arena arena, Backend backend) {
    this.arena = arena;
    this.backend = backend;
    this.held = Tensor.zeros(arena, 0);
  }

  /** Its beginning, as this shape. What was there stays unless the room must grow. */
  Tensor of(Shape shape) {
    if (held.elements() < shape.elements()) {
      held = backend.zeros(arena, Shape.of(shape.elements()));
    }
    return held.slice(0, shape);
  }

  /** A tensor's copy in it. */
  Tensor copyOf(Tensor values) {
    Tensor copy = of(values.shape());
    copy.copyFrom(values);
    return copy;
  }
}
