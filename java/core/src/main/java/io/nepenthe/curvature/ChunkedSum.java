package io.nepenthe.curvature;

import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A sum over the samples of {@link Chunks}: float64 over the chunks that are complete, drift-free
 * float32 within the one that is under way.
 *
 * <pre>
 *   total ← total + (sum + rest)        when a chunk is complete
 * </pre>
 */
final class ChunkedSum {
  private final Arena arena;
  private final DriftFreeSum current;
  private MemorySegment total = MemorySegment.NULL;
  private long processed;

  private ChunkedSum(Arena arena, DriftFreeSum current) {
    this.arena = arena;
    this.current = current;
  }

  static ChunkedSum zeros(Arena arena, Shape shape) {
    return new ChunkedSum(arena, DriftFreeSum.zeros(arena, shape));
  }

  /** With the planes of another owner for the chunk that is under way. */
  static ChunkedSum of(Arena arena, DriftFreeSum current) {
    return new ChunkedSum(arena, current);
  }

  Shape shape() {
    return current.shape();
  }

  /** What kernels add to. */
  DriftFreeSum current() {
    return current;
  }

  /** Counts what was added: samples, or rows of several a sample. */
  void count(long more) {
    processed += more;
  }

  /** What the sum is divided by for the mean. */
  long processed() {
    return processed;
  }

  /** The float64 plane; zeros before the first chunk is complete. */
  MemorySegment total() {
    if (total.equals(MemorySegment.NULL)) {
      total = arena.allocate(shape().elements() * Double.BYTES, 64);
    }
    return total;
  }

  /** Completes a chunk. */
  void fold() {
    MemorySegment into = total();
    for (long i = 0; i < shape().elements(); i++) {
      double before = into.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
      into.setAtIndex(ValueLayout.JAVA_DOUBLE, i, before + chunk(i));
    }
    current.clear();
  }

  /** Forgets everything. */
  void clear() {
    current.clear();
    if (!total.equals(MemorySegment.NULL)) {
      total.fill((byte) 0);
    }
    processed = 0;
  }

  /** Goes on from values that {@link #total} and {@link #current} were given. */
  void resume(long terms, long counted) {
    current.resume(terms);
    processed = counted;
  }

  private double chunk(long i) {
    return (double) current.sum().get(i) + current.rest().get(i);
  }

  /** The whole sum of an element. */
  double value(long i) {
    return total.equals(MemorySegment.NULL)
        ? chunk(i)
        : total.getAtIndex(ValueLayout.JAVA_DOUBLE, i) + chunk(i);
  }
}
