package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
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
  private final Plane sum;
  private final Plane rest;
  private MemorySegment total = MemorySegment.NULL;
  private long processed;

  private ChunkedSum(Arena arena, DriftFreeSum current) {
    this.arena = arena;
    this.current = current;
    this.sum = new Plane(arena, current.sum());
    this.rest = new Plane(arena, current.rest());
  }

  /** A plane, and its values on the host. */
  private static final class Plane {
    private final Arena arena;
    private final Tensor values;
    private Tensor host;
    private long copied = -1;

    Plane(Arena arena, Tensor values) {
      this.arena = arena;
      this.values = values;
      this.host = values;
    }

    /** It was written to other than by adding terms. */
    void forget() {
      copied = -1;
    }

    /** What it holds after so many terms. */
    Tensor after(long terms) {
      if (!values.onHost() && copied != terms) {
        host = host == values ? Tensor.zeros(arena, values.shape()) : host;
        host.copyFrom(values);
        copied = terms;
      }
      return host;
    }
  }

  /** What is under way lies where the backend's operations run. */
  static ChunkedSum zeros(Arena arena, Backend backend, Shape shape) {
    return of(arena, DriftFreeSum.of(backend.zeros(arena, shape), backend.zeros(arena, shape)));
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

  /** The leading plane of what is under way, on the host; valid until something is added. */
  Tensor sum() {
    return sum.after(current.count());
  }

  /** The other plane, likewise. */
  Tensor rest() {
    return rest.after(current.count());
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
    Tensor leading = sum();
    Tensor trailing = rest();
    for (long i = 0; i < shape().elements(); i++) {
      double before = into.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
      double chunk = (double) leading.get(i) + trailing.get(i);
      into.setAtIndex(ValueLayout.JAVA_DOUBLE, i, before + chunk);
    }
    empty();
  }

  /** Forgets everything. */
  void clear() {
    empty();
    if (!total.equals(MemorySegment.NULL)) {
      total.fill((byte) 0);
    }
    processed = 0;
  }

  private void empty() {
    current.clear();
    sum.forget();
    rest.forget();
  }

  /** Goes on from values that {@link #total} and {@link #current} were given. */
  void resume(long terms, long counted) {
    current.resume(terms);
    sum.forget();
    rest.forget();
    processed = counted;
  }

  private double chunk(long i) {
    return (double) sum().get(i) + rest().get(i);
  }

  /** The whole sum of an element. */
  double value(long i) {
    return total.equals(MemorySegment.NULL)
        ? chunk(i)
        : total.getAtIndex(ValueLayout.JAVA_DOUBLE, i) + chunk(i);
  }
}
