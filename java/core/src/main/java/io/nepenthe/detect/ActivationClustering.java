package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;

/**
 * Activation clustering (Chen et al., "Detecting backdoor attacks on deep neural networks by
 * activation clustering", 2018): each class's representations, reduced to ten principal
 * coordinates, fall into two clusters; the smaller one is suspect. (The paper reduces by
 * independent components, which span the same ten directions.)
 *
 * <p>The score of an image is how much closer it lies to the smaller cluster's centre than to the
 * larger one's, times how much smaller that cluster is.
 */
public final class ActivationClustering {
  private static final int COORDINATES = 10;
  private static final int ROUNDS = 100;

  private ActivationClustering() {}

  /** Clusters every class. */
  public static Detection of(
      Model model,
      Backend backend,
      Dataset training,
      Normalisation normalisation,
      long seed,
      Progress progress) {
    return of(Features.of(model, backend, training, normalisation, 64, progress), training, seed);
  }

  static Detection of(double[][] features, Dataset training, long seed) {
    double[] scores = new double[features.length];
    boolean[] flagged = new boolean[features.length];
    int[][] classes = Features.byClass(training);
    for (int c = 0; c < classes.length; c++) {
      int[] positions = classes[c];
      if (positions.length < 2) {
        continue;
      }
      double[][] points = Features.principal(Features.centred(features, positions), COORDINATES);
      double[][] centres = cluster(points, new Draws(seed, c));
      int second = 0;
      for (double[] point : points) {
        second += nearer(point, centres) == 1 ? 1 : 0;
      }
      int small = 2 * second <= points.length ? 1 : 0;
      double size = (double) (small == 1 ? second : points.length - second) / points.length;
      for (int k = 0; k < points.length; k++) {
        double closer =
            distance(points[k], centres[1 - small]) - distance(points[k], centres[small]);
        double spread = distance(centres[0], centres[1]);
        scores[positions[k]] = spread == 0 ? 0 : closer / spread * (0.5 - size);
        flagged[positions[k]] = nearer(points[k], centres) == small;
      }
    }
    return new Detection(scores, flagged);
  }

  /** Two means (Lloyd 1982), begun at a random point and one far from it. */
  private static double[][] cluster(double[][] points, Draws draws) {
    double[] first = points[draws.below(points.length)];
    double[] second = first;
    for (double[] point : points) {
      second = distance(point, first) > distance(second, first) ? point : second;
    }
    double[][] centres = {first.clone(), second.clone()};
    for (int round = 0; round < ROUNDS; round++) {
      double[][] sums = new double[2][first.length];
      int[] counts = new int[2];
      for (double[] point : points) {
        int own = nearer(point, centres);
        counts[own]++;
        for (int i = 0; i < point.length; i++) {
          sums[own][i] += point[i];
        }
      }
      double moved = 0;
      for (int k = 0; k < 2; k++) {
        for (int i = 0; counts[k] > 0 && i < first.length; i++) {
          double next = sums[k][i] / counts[k];
          moved = Math.max(moved, Math.abs(next - centres[k][i]));
          centres[k][i] = next;
        }
      }
      if (moved == 0) {
        break;
      }
    }
    return centres;
  }

  private static int nearer(double[] point, double[][] centres) {
    return distance(point, centres[1]) < distance(point, centres[0]) ? 1 : 0;
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return Math.sqrt(sum);
  }
}
