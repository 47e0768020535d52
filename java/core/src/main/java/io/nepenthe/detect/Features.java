package io.nepenthe.detect;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.SymmetricEigen;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.ResidentModel;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Locale;

/** The representation of every image: the input of the network's last layer with parameters. */
final class Features {
  private Features() {}

  /** One row an image. */
  static double[][] of(
      Model model,
      Backend backend,
      Dataset dataset,
      Normalisation normalisation,
      int batchSize,
      Progress progress) {
    List<ParametricLayer> layers = model.layers();
    int last = layers.get(layers.size() - 1).node();
    double[][] rows = new double[Math.toIntExact(dataset.size())][];
    int[] labels = new int[batchSize];
    long[] ids = new long[batchSize];
    Batches batches = Batches.inOrder(dataset, batchSize);
    try (ResidentModel resident = new ResidentModel(model, backend);
        Execution execution = new Execution(resident.here(), backend, batchSize, Mode.FROZEN)) {
      int first = 0;
      for (long b = 0; b < batches.count(); b++) {
        int n = execution.load(batches, b, labels, ids, normalisation);
        execution.pass(n);
        int from = first;
        execution.backward(
            (output, start) -> start.clear(),
            (layer, input, outputGradient) -> {
              if (layer.node() == last) {
                copy(input, rows, from);
              }
            });
        first += n;
        progress.report(first, dataset.size());
      }
    }
    return rows;
  }

  private static void copy(Tensor input, double[][] rows, int first) {
    int n = (int) input.shape().size(0);
    int size = Math.toIntExact(input.elements() / n);
    try (Arena scratch = Arena.ofConfined()) {
      Tensor here = input.toHost(scratch);
      for (int i = 0; i < n; i++) {
        rows[first + i] = new double[size];
        for (int j = 0; j < size; j++) {
          rows[first + i][j] = here.get((long) i * size + j);
        }
      }
    }
  }

  /** The positions of each class. */
  static int[][] byClass(Dataset dataset) {
    int[] counts = new int[dataset.classes()];
    for (long i = 0; i < dataset.size(); i++) {
      counts[dataset.label(i)]++;
    }
    int[][] positions = new int[counts.length][];
    for (int c = 0; c < counts.length; c++) {
      positions[c] = new int[counts[c]];
      counts[c] = 0;
    }
    for (int i = 0; i < dataset.size(); i++) {
      int c = dataset.label(i);
      positions[c][counts[c]++] = i;
    }
    return positions;
  }

  /** The rows at these positions minus their mean. */
  static double[][] centred(double[][] rows, int[] positions) {
    int size = rows[positions[0]].length;
    double[] mean = new double[size];
    for (int i : positions) {
      for (int j = 0; j < size; j++) {
        mean[j] += rows[i][j] / positions.length;
      }
    }
    double[][] centred = new double[positions.length][size];
    for (int k = 0; k < positions.length; k++) {
      for (int j = 0; j < size; j++) {
        centred[k][j] = rows[positions[k]][j] - mean[j];
      }
    }
    return centred;
  }

  /**
   * Coordinates along the principal directions of the greatest variance, the greatest first.
   *
   * @throws IllegalArgumentException if the covariance of so many features has no room
   */
  static double[][] principal(double[][] centred, int count) {
    int size = centred[0].length;
    double[] covariance = square(size);
    for (double[] row : centred) {
      for (int i = 0; i < size; i++) {
        for (int j = 0; j < size && row[i] != 0; j++) {
          covariance[i * size + j] += row[i] * row[j];
        }
      }
    }
    double[] vectors = SymmetricEigen.of(covariance, size).vectors();
    int kept = Math.min(count, size);
    double[][] out = new double[centred.length][kept];
    for (int n = 0; n < centred.length; n++) {
      for (int k = 0; k < kept; k++) {
        for (int i = 0; i < size; i++) {
          out[n][k] += centred[n][i] * vectors[i * size + size - 1 - k];
        }
      }
    }
    return out;
  }

  private static double[] square(int size) {
    try {
      return new double[Math.multiplyExact(size, size)];
    } catch (ArithmeticException | OutOfMemoryError e) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "the last layer takes %,d features, whose covariance has %,d bytes: more than Java's"
                  + " heap has or an array can hold",
              size,
              (long) size * size * Double.BYTES),
          e);
    }
  }
}
