package io.nepenthe.detect;

import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Δ-Influence (Li, Zhao, Chen, Goel et al., "Delta-Influence: unlearning poisons via influence
 * functions", 2024): from one image that shows the attack, which training examples taught it. The
 * affected image x* with its attack label supports the attack's examples; a transformed image with
 * another label does not. With influences on −margin,
 *
 * <pre>
 *   Δ[k, j] = s[(x_k, y_k), j] − s[(x*, y_a), j],   k = 1…K
 *   j is flagged  iff  #{k : Δ[k, j] &lt; τ} ≥ K − n_tol
 *   score[j] = −( the (n_tol + 1)-th largest of Δ[·, j] )
 * </pre>
 *
 * <p>so that j is flagged iff its score exceeds −τ. All K + 1 queries meet the training data in one
 * pass. Transforms act on pixels from 0 to 1, before the normalisation.
 */
public final class DeltaInfluence {
  /** The largest K: all queries are held at once. */
  public static final int MOST_TRANSFORMS = 10_000;

  private DeltaInfluence() {}

  /**
   * How many transforms, and how much must agree.
   *
   * @param transforms K, at most {@link #MOST_TRANSFORMS}
   * @param threshold τ; the paper's are 0 to −40
   * @param tolerance n_tol: in how many of the K transforms an example may keep its influence
   * @param seed of the transforms and their labels
   * @param batchSize training examples at once; no result depends on it
   */
  public record Options(int transforms, double threshold, int tolerance, long seed, int batchSize) {
    /** Checks the numbers. */
    public Options {
      if (transforms < 1
          || transforms > MOST_TRANSFORMS
          || tolerance < 0
          || tolerance >= transforms
          || batchSize < 1) {
        throw new IllegalArgumentException(
            "needs transforms in 1…"
                + MOST_TRANSFORMS
                + ", tolerance in 0…transforms − 1 and batchSize ≥ 1, found "
                + transforms
                + ", "
                + tolerance
                + " and "
                + batchSize);
      }
      if (!Double.isFinite(threshold)) {
        throw new IllegalArgumentException("threshold must be finite, found " + threshold);
      }
    }

    /** 50 transforms, τ = 0, n_tol = 0: with damped curvature every transform counts. */
    public static Options defaults() {
      return new Options(50, 0, 0, 0, 64);
    }

    /** The same with another seed. */
    public Options withSeed(long other) {
      return new Options(transforms, threshold, tolerance, other, batchSize);
    }

    /** The same with another tolerance. */
    public Options withTolerance(int other) {
      return new Options(transforms, threshold, other, seed, batchSize);
    }
  }

  /**
   * The influences of one affected image, before and after.
   *
   * @param before s[(x*, y_a), j]
   * @param delta Δ, [K][N]
   * @param transforms what was done
   * @param labels y_k
   */
  public record Deltas(
      double[] before, double[][] delta, List<Transform> transforms, int[] labels) {
    /** Plain influence: the score of x* alone, and nothing flagged below {@code threshold}. */
    public Detection plain(double threshold) {
      boolean[] flagged = new boolean[before.length];
      for (int j = 0; j < flagged.length; j++) {
        flagged[j] = before[j] > threshold;
      }
      return new Detection(before, flagged);
    }
  }

  /**
   * The images that are asked about: x* first, then its transforms. Their labels are those that the
   * margins are taken of.
   *
   * @param affected its image at {@code index}
   * @param attackLabel what the model takes it for
   */
  public static Dataset queries(
      Dataset affected, long index, int attackLabel, Options options, List<Transform> transforms) {
    int classes = affected.classes();
    if (classes < 2 || attackLabel < 0 || attackLabel >= classes) {
      throw new IllegalArgumentException(
          "the attack label must be one of at least two classes, found "
              + attackLabel
              + " of "
              + classes);
    }
    float[] image = HeldImages.pixels(affected, index);
    List<float[]> images = new ArrayList<>(List.of(image));
    int[] labels = new int[options.transforms + 1];
    labels[0] = attackLabel;
    for (int k = 1; k <= options.transforms; k++) {
      Transform transform = Transform.draw(options.seed, 2L * k, affected.image());
      transforms.add(transform);
      images.add(transform.apply(image, affected.image()));
      int other = new Draws(options.seed, 2L * k + 1).below(classes - 1);
      labels[k] = other < attackLabel ? other : other + 1;
    }
    return new HeldImages("transforms", affected.image(), affected.classNames(), images, labels);
  }

  /**
   * Computes Δ for all training examples.
   *
   * @param training what the model was trained on
   * @param affected a data set with the affected image, of the same classes
   * @param attackLabel the label that the model gives it
   * @param progress in training examples
   */
  public static Deltas of(
      Model model,
      Backend backend,
      InverseCurvature inverse,
      Dataset training,
      Dataset affected,
      long index,
      int attackLabel,
      Normalisation normalisation,
      Options options,
      Progress progress) {
    List<Transform> transforms = new ArrayList<>();
    Dataset queries = queries(affected, index, attackLabel, options, transforms);
    int n = Math.toIntExact(training.size());
    try (InfluenceScores scores =
        Influence.pairwise(
            model,
            backend,
            inverse,
            queries,
            Measurement.MARGIN,
            training,
            normalisation,
            Influence.Options.defaults().withBatchSize(options.batchSize),
            progress)) {
      double[] before = new double[n];
      double[][] delta = new double[options.transforms][n];
      int[] labels = new int[options.transforms];
      for (int j = 0; j < n; j++) {
        before[j] = scores.raw().get(j);
      }
      for (int k = 0; k < options.transforms; k++) {
        labels[k] = queries.label(k + 1);
        for (int j = 0; j < n; j++) {
          delta[k][j] = scores.raw().get((k + 1L) * n + j) - before[j];
        }
      }
      return new Deltas(before, delta, transforms, labels);
    }
  }

  /** The rule above on a matrix Δ, [K][N]. */
  public static Detection rule(double[][] delta, double threshold, int tolerance) {
    int transforms = delta.length;
    int n = transforms == 0 ? 0 : delta[0].length;
    if (tolerance < 0 || tolerance >= transforms) {
      throw new IllegalArgumentException(
          "the tolerance must be in 0…" + (transforms - 1) + ", found " + tolerance);
    }
    double[] scores = new double[n];
    boolean[] flagged = new boolean[n];
    double[] column = new double[transforms];
    for (int j = 0; j < n; j++) {
      for (int k = 0; k < transforms; k++) {
        column[k] = delta[k][j];
      }
      Arrays.sort(column);
      scores[j] = 0.0 - column[transforms - 1 - tolerance];
      flagged[j] = scores[j] > -threshold;
    }
    return new Detection(scores, flagged);
  }
}
