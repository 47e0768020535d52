package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Labels;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Fisher forgetting: noise on every weight, the larger the less D_r needs it (Golatkar, Achille,
 * Soatto: "Eternal sunshine of the spotless net", CVPR 2020). With F the diagonal of the Fisher
 * information on D_r, the labels taken from the model and summed exactly,
 *
 * <pre>
 *   v_j = α · min(1 / (F_j + 10⁻⁸), 10³)        10² in the last layer
 *   averaged over the inputs of each output (and kernel position); ×10 in the last layer and in
 *   one-dimensional tensors
 *   θ_j ← θ_j + √v_j · n_j,   n_j normal
 * </pre>
 *
 * <p>Where D_f is the whole of one class, that class's row in the last layer is drawn from variance
 * 10⁻³ around 0 instead, its bias from 10⁻². The last layer is the one whose output is the
 * network's, not any of a matching shape.
 *
 * @param alpha α
 * @param batchSize samples at once, of no effect on the result
 */
public record FisherForgetting(double alpha, int batchSize) implements Method {
  private static final double FLOOR = 1e-8;
  private static final double CAP = 1e3;
  private static final double HEAD_CAP = 1e2;
  private static final double MORE = 10;
  private static final double FORGOTTEN_ROW = 1e-4;

  /** Checks the numbers. */
  public FisherForgetting {
    if (!(alpha >= 0 && alpha < Double.POSITIVE_INFINITY) || batchSize < 1) {
      throw new IllegalArgumentException(
          "alpha not negative, batchSize positive: " + alpha + ", " + batchSize);
    }
  }

  /** α = 10⁻⁶, as in the authors' code. */
  public static FisherForgetting published() {
    return new FisherForgetting(1e-6, 64);
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    task.requireFit(model);
    Recorder recorder = new Recorder();
    FisherDiagonal.Options options =
        FisherDiagonal.Options.defaults().withLabels(Labels.EXACT).withBatchSize(batchSize);
    try (FisherDiagonal fisher =
        recorder.phase(
            "statistics",
            () ->
                FisherDiagonal.of(
                    model,
                    backend,
                    task.retain(),
                    task.normalisation(),
                    task.recipe().loss(),
                    options,
                    (done, total) -> listener.report("statistics", done, total)))) {
      recorder.phase("update", () -> perturb(model, fisher, forgottenRow(task), seed));
    }
    return recorder.trace();
  }

  private void perturb(Model model, FisherDiagonal fisher, int forgotten, long seed) {
    ParametricLayer last = model.layers().getLast();
    SplittableRandom random = new SplittableRandom(seed);
    for (Parameters.Parameter parameter : model.parameters().all()) {
      boolean head = last.layer() instanceof Layer.Linear && last.parameters().contains(parameter);
      double[] variances = variances(parameter, fisher.values().get(parameter.spec().name()), head);
      long rows = parameter.value().shape().size(0);
      long row = parameter.value().elements() / rows;
      for (long j = 0; j < variances.length; j++) {
        boolean drawn = head && j / row == forgotten;
        double mean = drawn ? 0 : parameter.value().get(j);
        double variance = drawn ? alphaFree(parameter) : variances[(int) j];
        parameter.value().set(j, (float) (mean + Math.sqrt(variance) * random.nextGaussian()));
      }
    }
  }

  /** The variance of a forgotten class's row, with the factors that its tensor gets. */
  private static double alphaFree(Parameters.Parameter parameter) {
    return FORGOTTEN_ROW * MORE * (parameter.value().shape().rank() == 1 ? MORE : 1);
  }

  private double[] variances(
      Parameters.Parameter parameter, Parameters.Parameter fisher, boolean head) {
    Shape shape = parameter.value().shape();
    double[] variances = new double[Math.toIntExact(shape.elements())];
    double factor = alpha * (head ? MORE : 1) * (shape.rank() == 1 ? MORE : 1);
    for (int j = 0; j < variances.length; j++) {
      variances[j] = factor * Math.min(1 / (fisher.value().get(j) + FLOOR), head ? HEAD_CAP : CAP);
    }
    if (shape.rank() > 1) {
      // Inputs are the last axis here: channels last, O·KH·KW·I or O·I.
      average(variances, Math.toIntExact(shape.size(shape.rank() - 1)));
    }
    return variances;
  }

  /** Replaces every run of {@code length} values by their mean. */
  private static void average(double[] values, int length) {
    for (int first = 0; first < values.length; first += length) {
      double sum = 0;
      for (int i = first; i < first + length; i++) {
        sum += values[i];
      }
      Arrays.fill(values, first, first + length, sum / length);
    }
  }

  /** The row of the class that D_f is the whole of, or −1; a regression has no row a class. */
  private static int forgottenRow(Forgetting task) {
    if (!task.recipe().loss().classifies()) {
      return -1;
    }
    int label = task.forget().label(0);
    for (long i = 1; i < task.forget().size(); i++) {
      if (task.forget().label(i) != label) {
        return -1;
      }
    }
    for (long i = 0; i < task.retain().size(); i++) {
      if (task.retain().label(i) == label) {
        return -1;
      }
    }
    return label;
  }
}
