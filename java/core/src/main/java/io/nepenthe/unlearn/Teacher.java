package io.nepenthe.unlearn;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Softmax;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/**
 * What a model answers to the samples of a data set, remembered by their ids: teachers do not
 * change and pixels are not augmented, so one pass serves every epoch. On the Java heap.
 */
final class Teacher {
  private static final int BATCH = 256;

  private final Map<Long, Integer> rows;
  private final float[] logits;
  private final int classes;

  private Teacher(Map<Long, Integer> rows, float[] logits, int classes) {
    this.rows = rows;
    this.logits = logits;
    this.classes = classes;
  }

  static Teacher of(Model model, Backend backend, Dataset data, Normalisation normalisation) {
    try (Arena arena = Arena.ofConfined();
        Predictor predictor = new Predictor(model, backend, BATCH)) {
      return answering(data, predictor.logits(arena, data, normalisation));
    }
  }

  /** One that answers with these logits, samples × classes; they are copied. */
  static Teacher answering(Dataset data, Tensor logits) {
    int size = Math.toIntExact(data.size());
    Map<Long, Integer> rows = HashMap.newHashMap(size);
    for (int n = 0; n < size; n++) {
      rows.put(data.id(n), n);
    }
    return new Teacher(rows, logits.toArray(), (int) logits.shape().size(1));
  }

  /** The softmax of the sample's logits over T. */
  void probabilities(long id, double temperature, double[] out) {
    softmax(logits, rows.get(id) * classes, temperature, out);
  }

  /** The sample's first output: in a regression the only one. */
  float logit(long id) {
    return logits[rows.get(id) * classes];
  }

  static void softmax(float[] logits, int row, double temperature, double[] out) {
    for (int c = 0; c < out.length; c++) {
      out[c] = logits[row + c] / temperature;
    }
    Softmax.inPlace(out);
  }
}
