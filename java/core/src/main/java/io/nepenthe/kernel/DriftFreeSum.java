package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * A sum of many tensors that does not drift: two float32 planes, value = sum + rest. Each term is
 * added to {@code rest}; after every {@value #PERIOD}th term {@code rest} is folded into {@code
 * sum} by TwoSum (Knuth, The Art of Computer Programming 2, 4.2.2, theorem B), whose exact rounding
 * error stays in {@code rest}:
 *
 * <pre>
 *   rest ← rest + term                                    after each term
 *   s ← sum + rest;  b ← s − sum
 *   rest ← (sum − (s − b)) + (rest − b);  sum ← s         when count reaches a multiple of 64
 * </pre>
 *
 * <p>So what is lost are the at most 64 roundings within a period, each relative to that period's
 * partial sum: |value − Σ| ≤ 66 · 2⁻²⁴ · Σ|terms| ≈ 4·10⁻⁶ · Σ|terms| for up to 2²⁴ terms, an order
 * less in practice. The bits depend on the terms and their order only, not on how they were grouped
 * into calls. An element that met a NaN, an infinity or an overflow has a value that is not finite,
 * for good.
 *
 * <p>The state lives as long as the arena it came from, and is used by one thread at a time.
 */
public final class DriftFreeSum {
  /** After how many terms the rest is folded into the sum. */
  public static final int PERIOD = 64;

  private final Tensor sum;
  private final Tensor rest;
  private long count;

  private DriftFreeSum(Tensor sum, Tensor rest) {
    this.sum = sum;
    this.rest = rest;
  }

  /** An empty sum of tensors of that shape, in {@code arena}: two planes of zeros. */
  public static DriftFreeSum zeros(Arena arena, Shape shape) {
    return new DriftFreeSum(Tensor.zeros(arena, shape), Tensor.zeros(arena, shape));
  }

  /**
   * An empty sum over planes that the caller owns, for instance slices of one flat buffer; both
   * must hold zeros.
   *
   * @throws IllegalArgumentException if the shapes differ or the planes overlap
   */
  public static DriftFreeSum of(Tensor sum, Tensor rest) {
    Checks.shape("rest", rest, sum.shape());
    Checks.disjoint("sum", sum, "rest", rest);
    return new DriftFreeSum(sum, rest);
  }

  /** The sizes of each term. */
  public Shape shape() {
    return sum.shape();
  }

  /** The leading plane: {@link #value} without the last, at most {@value #PERIOD}, terms. */
  public Tensor sum() {
    return sum;
  }

  /** The plane of terms since the last fold, and of what the folds rounded off. */
  public Tensor rest() {
    return rest;
  }

  /** How many terms were added. */
  public long count() {
    return count;
  }

  /** How many terms were added since the last fold, in 0…63. */
  public int phase() {
    return (int) (count % PERIOD);
  }

  /** Counts terms that a kernel has just added to the planes, folding where they were due. */
  void advance(long terms) {
    count = Math.addExact(count, terms);
  }

  /**
   * Writes sum + rest, rounded once, to {@code out}.
   *
   * @throws IllegalArgumentException if {@code out} has another shape or overlaps a plane
   */
  public void value(Tensor out) {
    Checks.shape("out", out, shape());
    Checks.disjoint("out", out, "sum", sum);
    Checks.disjoint("out", out, "rest", rest);
    try (Arena arena = Arena.ofConfined()) {
      Tensor leading = sum.toHost(arena);
      Tensor trailing = rest.toHost(arena);
      Tensor value = out.onHost() ? out : Tensor.zeros(arena, out.shape());
      for (long j = 0; j < value.elements(); j++) {
        value.set(j, leading.get(j) + trailing.get(j));
      }
      if (value != out) {
        out.copyFrom(value);
      }
    }
  }

  /**
   * Says that the planes, to which the caller has copied those of another sum, hold so many terms:
   * what is added next is added as it would have been to the other.
   *
   * @throws IllegalArgumentException if {@code terms} is negative
   */
  public void resume(long terms) {
    if (terms < 0) {
      throw new IllegalArgumentException("a sum has 0 terms or more, found " + terms);
    }
    count = terms;
  }

  /** Empties the sum: zero planes, no terms. */
  public void clear() {
    sum.clear();
    rest.clear();
    count = 0;
  }

  /** The shape and the number of terms. */
  @Override
  public String toString() {
    return "DriftFreeSum" + shape() + " of " + count + " terms";
  }
}
