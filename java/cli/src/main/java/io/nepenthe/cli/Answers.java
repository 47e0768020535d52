package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Predictor;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.function.LongToIntFunction;

/**
 * The classes that a model names for the samples of a data set, in its order.
 *
 * @param classes one a sample
 */
record Answers(int[] classes) {
  /** Asks the model. An empty data set has no answers. */
  static Answers of(Predictor predictor, Dataset dataset, Normalisation normalisation) {
    int[] classes = new int[Math.toIntExact(dataset.size())];
    if (classes.length == 0) {
      return new Answers(classes);
    }
    try (Arena arena = Arena.ofConfined()) {
      Tensor logits = predictor.logits(arena, dataset, normalisation);
      int outputs = Math.toIntExact(logits.shape().size(1));
      for (int n = 0; n < classes.length; n++) {
        int best = 0;
        for (int c = 1; c < outputs; c++) {
          best =
              logits.get((long) n * outputs + c) > logits.get((long) n * outputs + best) ? c : best;
        }
        classes[n] = best;
      }
    }
    return new Answers(classes);
  }

  /** The share answered with what is wanted of each sample; NaN where there are no samples. */
  double share(LongToIntFunction wanted) {
    long equal = 0;
    for (int n = 0; n < classes.length; n++) {
      equal += classes[n] == wanted.applyAsInt(n) ? 1 : 0;
    }
    return (double) equal / classes.length;
  }

  /** The share answered as labelled. */
  double accuracy(Dataset dataset) {
    return share(dataset::label);
  }

  /** The share of each class answered as labelled; NaN for a class without samples. */
  double[] accuracyByClass(Dataset dataset) {
    long[] all = new long[dataset.classes()];
    long[] right = new long[dataset.classes()];
    for (int n = 0; n < classes.length; n++) {
      int label = dataset.label(n);
      all[label]++;
      right[label] += classes[n] == label ? 1 : 0;
    }
    double[] accuracy = new double[all.length];
    for (int c = 0; c < all.length; c++) {
      accuracy[c] = (double) right[c] / all[c];
    }
    return accuracy;
  }

  /** How often each label (row) got each answer (column). */
  long[][] confusion(Dataset dataset, int outputs) {
    long[][] counts = new long[dataset.classes()][outputs];
    for (int n = 0; n < classes.length; n++) {
      counts[dataset.label(n)][classes[n]]++;
    }
    return counts;
  }
}
