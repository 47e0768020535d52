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
import io.nepenthe.tensor.Tensor;
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
 *
 * <p>Examples of large loss have large influences on everything. Relative influences, s[·, j] /
 * √s[j, j] with the self-influence ⟨H⁻¹∇ℓ_j, ∇ℓ_j⟩, compare directions alone (Barshan, Brunet,
 * Dziugaite, "RelatIF: identifying explanatory training samples via relative influence", 2020,
 * ℓ-RelatIF). They take one more pass, order examples better, and with τ = 0 flag the same ones.
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
   * @param relative whether influences are relative to the examples' own
   * @param seed of the transforms and their labels
   * @param batchSize training examples at once; no result depends on it
   */
  public record Options(
      int transforms, double threshold, int tolerance, boolean relative, long seed, int batchSize) {
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

    /**
     * 50 transforms, τ = 0, relative, n_tol = 5: a transform or two of fifty may turn an image into
     * one that other examples speak for, and the strictest rule then loses what is poisoned.
     */
    public static Options defaults() {
      return new Options(50, 0, 5, true, 0, 64);
    }

    /** The same with another seed. */
    public Options withSeed(long other) {
      return new Options(transforms, threshold, tolerance, relative, other, batchSize);
    }

    /** The same with influences as they are. */
    public Options withoutRelation() {
      return new Options(transforms, threshold, tolerance, false, seed, batchSize);
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
    /**
     * The same with every example's influences divided by √self, the root of its influence on
     * itself; one that has none on itself has none on others.
     */
    public Deltas relativeTo(double[] self) {
      double[] scale = new double[self.length];
      for (int j = 0; j < scale.length; j++) {
        scale[j] = self[j] > 0 ? 1 / Math.sqrt(self[j]) : 0;
      }
      return new Deltas(
          product(before, scale),
          Arrays.stream(delta).map(row -> product(row, scale)).toArray(double[][]::new),
          transforms,
          labels);
    }

    private static double[] product(double[] a, double[] b) {
      double[] product = new double[a.length];
      Arrays.setAll(product, j -> a[j] * b[j]);
      return product;
    }

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
    int passes = options.relative ? 2 : 1;
    Influence.Options batches = Influence.Options.defaults().withBatchSize(options.batchSize);
    Deltas deltas;
    try (InfluenceScores scores =
        Influence.pairwise(
            model,
            backend,
            inverse,
            queries,
            Measurement.MARGIN,
            training,
            normalisation,
            batches,
            (done, total) -> progress.report(done, passes * total))) {
      deltas = deltas(scores.raw(), queries, transforms);
    }
    if (!options.relative) {
      return deltas;
    }
    try (InfluenceScores self =
        Influence.self(
            model,
            backend,
            inverse,
            training,
            normalisation,
            batches,
            (done, total) -> progress.report(total + done, passes * total))) {
      return deltas.relativeTo(row(self.raw(), 0));
    }
  }

  /**
   * Δ from scores that were computed before.
   *
   * @param scores of {@link Measurement#MARGIN}, [K + 1, N]
   * @param queries what they are of, as {@link #queries} made them
   * @param transforms what was done
   */
  public static Deltas deltas(Tensor scores, Dataset queries, List<Transform> transforms) {
    double[] before = row(scores, 0);
    double[][] delta = new double[transforms.size()][];
    int[] labels = new int[delta.length];
    for (int k = 0; k < delta.length; k++) {
      labels[k] = queries.label(k + 1);
      delta[k] = row(scores, k + 1);
      for (int j = 0; j < before.length; j++) {
        delta[k][j] -= before[j];
      }
    }
    return new Deltas(before, delta, transforms, labels);
  }

  /** A query's scores. */
  public static double[] row(Tensor scores, long query) {
    double[] row = new double[Math.toIntExact(scores.shape().size(1))];
    Arrays.setAll(row, j -> scores.get(query * row.length + j));
    return row;
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
