package io.nepenthe.curvature;

import io.nepenthe.tensor.Tensor;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * The λ that is added to a curvature's eigenvalues before they are inverted. Without overrides
 *
 * <pre>
 *   λ = max( relative · mean Λ, 10⁻¹² · max Λ )      of each block on its own
 * </pre>
 *
 * <p>Small absolute values such as 10⁻⁸ amplify directions that the data never move, and with them
 * nothing but noise.
 *
 * @param relative to a block's mean eigenvalue; not negative
 * @param absolute in place of the rule above, where it is not negative; −1 otherwise
 * @param blocks absolute values for blocks by name, before either; sorted by name
 */
public record Damping(double relative, double absolute, Map<String, Double> blocks) {
  private static final double LEAST = 1e-12;

  /** Checks the values. */
  public Damping {
    // In one order in every process: the text goes into the files of scores, which are compared.
    blocks = Collections.unmodifiableMap(new TreeMap<>(blocks));
    if (!(relative >= 0 && relative < Double.POSITIVE_INFINITY)
        || !(absolute < Double.POSITIVE_INFINITY)
        || blocks.values().stream().anyMatch(value -> !(value >= 0))) {
      throw new IllegalArgumentException("damping must be finite and not negative, found " + this);
    }
  }

  /** A tenth of the mean eigenvalue of each block (Grosse et al. 2023, appendix D). */
  public static Damping defaults() {
    return new Damping(0.1, -1, Map.of());
  }

  /** The same λ for all blocks. */
  public static Damping absolute(double value) {
    if (!(value >= 0)) {
      throw new IllegalArgumentException("damping must not be negative, found " + value);
    }
    return new Damping(0, value, Map.of());
  }

  /** This share of each block's mean eigenvalue. */
  public static Damping relative(double share) {
    return new Damping(share, -1, Map.of());
  }

  /**
   * A block's λ.
   *
   * @throws IllegalArgumentException if it is 0 and so is an eigenvalue
   */
  double of(String block, Tensor eigenvalues) {
    double sum = 0;
    double largest = 0;
    double least = Double.POSITIVE_INFINITY;
    for (long i = 0; i < eigenvalues.elements(); i++) {
      double value = eigenvalues.get(i);
      sum += value;
      largest = Math.max(largest, value);
      least = Math.min(least, value);
    }
    double lambda =
        blocks.containsKey(block)
            ? blocks.get(block)
            : absolute >= 0
                ? absolute
                : Math.max(relative * sum / eigenvalues.elements(), LEAST * largest);
    if (!(lambda + least > 0)) {
      throw new IllegalArgumentException(
          block
              + ": an eigenvalue is 0, and so is the damping: there is no inverse; remedy: an"
              + " absolute damping above 0");
    }
    return lambda;
  }
}
