package io.nepenthe.curvature;

import io.nepenthe.kernel.LossVectors;
import io.nepenthe.kernel.Philox;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.tensor.Tensor;

/** The backward passes that a Fisher information, or an importance, takes for a batch. */
final class FisherVectors {
  private final Labels labels;
  private final int draws;
  private final long seed;
  private final OutputGradients gradients;
  private final long firstDraw;
  private final Vectors vectors = new Vectors();

  /** What hears of the passes. */
  @FunctionalInterface
  interface Listener extends LayerVisitor {
    /** A pass begins; {@code number} counts those of this batch from 0. */
    default void pass(int number) {}

    /** The pass is over. */
    default void passed() {}
  }

  /**
   * Passes of a stage.
   *
   * @param stage its draws are independent of another stage's
   */
  FisherVectors(FactorOptions options, int outputs, int stage) {
    this(
        options.fisher(),
        options.draws(),
        options.seed(),
        new OutputGradients(options.likelihood(), outputs),
        stage);
  }

  FisherVectors(Labels labels, int draws, long seed, OutputGradients gradients, int stage) {
    this.labels = labels;
    this.draws = draws;
    this.seed = seed;
    this.gradients = gradients;
    this.firstDraw = (long) stage << 32;
  }

  /** Backward passes a sample. */
  int passes() {
    return switch (labels) {
      case EXACT -> gradients.outputs();
      case SAMPLED -> draws;
      case TRUE, NONE -> 1;
    };
  }

  void backward(Execution execution, int[] labels, long[] ids, Listener listener) {
    backward(execution, labels, ids, 1, listener);
  }

  /**
   * Runs them, from the outputs where the last forward pass left them.
   *
   * @param labels of the batch's samples
   * @param ids of the batch's samples
   * @param weight every vector's factor
   */
  void backward(Execution execution, int[] labels, long[] ids, double weight, Listener listener) {
    vectors.classes = labels;
    vectors.ids = ids;
    vectors.weight = this.labels == Labels.SAMPLED ? weight / Math.sqrt(draws) : weight;
    for (int pass = 0; pass < passes(); pass++) {
      vectors.pass = pass;
      listener.pass(pass);
      execution.backward(vectors, listener);
      listener.passed();
    }
  }

  /** Those of one pass over a batch. Kept from batch to batch: passes make no objects. */
  private final class Vectors implements LossVectors {
    private int[] classes;
    private long[] ids;
    private int pass;
    private double weight;

    @Override
    public Form form() {
      return gradients.form(labels);
    }

    @Override
    public Label label() {
      return switch (labels) {
        case TRUE, NONE -> Label.OWN;
        case SAMPLED -> Label.SAMPLED;
        case EXACT -> Label.AXIS;
      };
    }

    @Override
    public int[] labels() {
      return classes;
    }

    @Override
    public double[] draws(int samples) {
      double[] all = new double[samples];
      for (int n = 0; n < samples; n++) {
        all[n] = Philox.uniform(seed, ids[n], firstDraw + pass);
      }
      return all;
    }

    @Override
    public double[] targets() {
      return gradients.targets();
    }

    @Override
    public int axis() {
      return pass;
    }

    @Override
    public double weight() {
      return form() == Form.OUTPUT && !unit() ? 2 * weight : weight;
    }

    @Override
    public double curvature() {
      return gradients.curvature();
    }

    @Override
    public boolean unit() {
      return gradients.unit() && form() != Form.AXIS;
    }

    @Override
    public boolean rooted() {
      return labels == Labels.EXACT && form() == Form.CATEGORICAL;
    }

    @Override
    public void write(Tensor outputs, Tensor gradient) {
      for (int n = 0; n < outputs.shape().size(0); n++) {
        switch (labels) {
          case EXACT -> gradients.exact(outputs, n, pass, weight, gradient);
          case SAMPLED ->
              gradients.sampled(outputs, n, seed, ids[n], firstDraw + pass, weight, gradient);
          case TRUE -> gradients.loss(outputs, n, classes[n], weight, gradient);
          case NONE -> gradients.squaredNorm(outputs, n, weight, gradient);
        }
      }
    }
  }
}
