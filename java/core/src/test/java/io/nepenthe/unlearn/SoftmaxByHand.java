package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.curvature.TinyData;
import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Trainer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.LongStream;

/**
 * One linear layer under a softmax, in float64 and by hand: what a method's own formula makes of a
 * model so small that nothing else is in the way.
 */
final class SoftmaxByHand {
  static final int CLASSES = 3;
  static final int INPUTS = 6;
  static final TinyData DATA = new TinyData(60, new ImageShape(2, 3, 1), CLASSES, 3, 100);
  static final Network NETWORK = Architectures.mlp(Extent.image(2, 3, 1), CLASSES);
  static final Normalisation PLAIN = new Normalisation(new float[] {0.25f}, new float[] {0.5f});
  static final Trainer RECIPE = new Trainer(2, 10, Optimiser.sgd(0.3, 0, 0), 1);

  /** Every fifth sample is forgotten: 12 of 60. */
  static final Forgetting TASK =
      Forgetting.ofIds(
          DATA, LongStream.range(0, 12).map(i -> 100 + 5 * i).toArray(), PLAIN, RECIPE);

  private final double[] theta;
  private final double[] gradient;
  private final boolean[] frozen;

  /** A sample's loss, and its slope by the logits. */
  @FunctionalInterface
  interface Term {
    double of(long id, int label, double[] logits, double[] slope);
  }

  /** The cross-entropy of a sample's own label. */
  static final Term LOSS = (id, label, z, slope) -> crossEntropy(label, z, slope);

  private SoftmaxByHand(double[] theta) {
    this.theta = theta;
    this.gradient = new double[theta.length];
    this.frozen = new boolean[theta.length];
  }

  /** The model's weights, row by row, then its biases. */
  static SoftmaxByHand of(Model model) {
    double[] theta = new double[Math.toIntExact(model.parameters().count())];
    assertEquals(CLASSES * (INPUTS + 1), theta.length);
    for (int j = 0; j < theta.length; j++) {
      theta[j] = model.parameters().flat().get(j);
    }
    return new SoftmaxByHand(theta);
  }

  double[] theta() {
    return theta;
  }

  /** Which weights steps leave alone. */
  boolean[] frozen() {
    return frozen;
  }

  /** The gradient that was added since the last step. */
  double[] gradient() {
    return gradient;
  }

  /** A sample's pixels, normalised. */
  static double[] pixels(Dataset data, long index) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment image = arena.allocate(ValueLayout.JAVA_FLOAT, INPUTS);
      data.pixels(index, image, 0);
      double[] x = new double[INPUTS];
      for (int i = 0; i < INPUTS; i++) {
        x[i] = (image.getAtIndex(ValueLayout.JAVA_FLOAT, i) - 0.25) / 0.5;
      }
      return x;
    }
  }

  double[] logits(double... x) {
    double[] z = new double[CLASSES];
    for (int c = 0; c < CLASSES; c++) {
      z[c] = theta[CLASSES * INPUTS + c];
      for (int i = 0; i < INPUTS; i++) {
        z[c] += theta[c * INPUTS + i] * x[i];
      }
    }
    return z;
  }

  /** The logits of the sample of that id. */
  double[] answer(Dataset data, long id) {
    return logits(pixels(data, index(data, id)));
  }

  double[] answer(long id) {
    return answer(DATA, id);
  }

  private static long index(Dataset data, long id) {
    long index = 0;
    while (data.id(index) != id) {
      index++;
    }
    return index;
  }

  static double[] softmax(double[] z, double temperature) {
    double[] p = new double[CLASSES];
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) {
      p[c] = Math.exp(z[c] / temperature);
      sum += p[c];
    }
    for (int c = 0; c < CLASSES; c++) {
      p[c] /= sum;
    }
    return p;
  }

  /** −log p_label. */
  static double crossEntropy(int label, double[] z, double[] slope) {
    double[] p = softmax(z, 1);
    for (int c = 0; c < CLASSES; c++) {
      slope[c] = p[c] - (c == label ? 1 : 0);
    }
    return -Math.log(p[label]);
  }

  /** T²·KL(teacher ‖ student). */
  static double distance(double[] teacher, double temperature, double[] z, double[] slope) {
    double[] p = softmax(teacher, temperature);
    double[] q = softmax(z, temperature);
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) {
      sum += p[c] * Math.log(p[c] / q[c]);
      slope[c] = temperature * (q[c] - p[c]);
    }
    return temperature * temperature * sum;
  }

  /** Adds {@code weight} times a sample's gradient; returns its loss. */
  double add(Dataset data, long index, int label, double weight, Term term) {
    double[] x = pixels(data, index);
    double[] slope = new double[CLASSES];
    double loss = term.of(data.id(index), label, logits(x), slope);
    for (int c = 0; c < CLASSES; c++) {
      gradient[CLASSES * INPUTS + c] += weight * slope[c];
      for (int i = 0; i < INPUTS; i++) {
        gradient[c * INPUTS + i] += weight * slope[c] * x[i];
      }
    }
    return loss;
  }

  /** Adds {@code weight} times the gradient of a batch's mean; returns the sum of its losses. */
  double add(Batches batches, long batch, double weight, Term term) {
    int n = batches.size(batch);
    int[] labels = new int[n];
    long[] ids = new long[n];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pixels = arena.allocate(ValueLayout.JAVA_FLOAT, (long) n * INPUTS);
      batches.fill(batch, pixels, labels, ids);
    }
    double sum = 0;
    for (int k = 0; k < n; k++) {
      sum += add(batches.dataset(), index(batches.dataset(), ids[k]), labels[k], weight / n, term);
    }
    return sum;
  }

  /** θ ← θ − rate · what was added. */
  void step(double rate) {
    for (int j = 0; j < theta.length; j++) {
      theta[j] -= frozen[j] ? 0 : rate * gradient[j];
      gradient[j] = 0;
    }
  }

  /** A step a batch of a shuffled epoch; returns the mean of the losses. */
  double pass(Dataset data, int batchSize, long seed, int epoch, double rate, Term term) {
    Batches batches = Batches.shuffled(data, batchSize, seed, epoch);
    double sum = 0;
    for (long b = 0; b < batches.count(); b++) {
      sum += add(batches, b, 1, term);
      step(rate);
    }
    return sum / data.size();
  }

  /** The same weights, but for the rounding of a few dozen steps in float32. */
  void assertIs(Parameters found) {
    for (int j = 0; j < theta.length; j++) {
      assertEquals(theta[j], found.flat().get(j), 4e-6, "weight " + j);
    }
  }
}
