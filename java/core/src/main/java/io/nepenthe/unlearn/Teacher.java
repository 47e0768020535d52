package io.nepenthe.unlearn;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.Predictor;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/**
 * What models answer to the samples of a data set, remembered by the samples' ids: teachers do not
 * change and pixels are not augmented, so one pass serves every epoch. The answers stay where they
 * are computed, samples × outputs in float32.
 */
final class Teacher implements AutoCloseable {
  private static final int BATCH = 256;

  private final Arena arena = Arena.ofShared();
  private final Backend backend;
  private final Map<Long, Integer> rows;
  private final Tensor answers;
  private int[] asked = {};

  private Teacher(Backend backend, Dataset data, long outputs) {
    this.backend = backend;
    int size = Math.toIntExact(data.size());
    this.rows = HashMap.newHashMap(size);
    for (int n = 0; n < size; n++) {
      rows.put(data.id(n), n);
    }
    this.answers = Owned.orClose(arena::close, () -> backend.zeros(arena, Shape.of(size, outputs)));
  }

  static Teacher of(Model model, Backend backend, Dataset data, Normalisation normalisation) {
    Teacher teacher = new Teacher(backend, data, model.network().output().elements());
    return teacher.asking(() -> teacher.ask(model, data, 0, normalisation));
  }

  /** One that is {@code bad} on what is forgotten and {@code good} on the rest. */
  static Teacher of(
      Model good, Model bad, Backend backend, Mixed mixed, Normalisation normalisation) {
    Teacher teacher = new Teacher(backend, mixed.both(), good.network().output().elements());
    return teacher.asking(
        () -> {
          teacher.ask(bad, mixed.forget(), 0, normalisation);
          teacher.ask(good, mixed.retain(), mixed.forget().size(), normalisation);
        });
  }

  /** One that answers with these logits, samples × outputs; they are copied. */
  static Teacher answering(Backend backend, Dataset data, Tensor logits) {
    Teacher teacher = new Teacher(backend, data, logits.shape().size(1));
    return teacher.asking(() -> teacher.answers.copyFrom(logits));
  }

  private Teacher asking(Runnable questions) {
    return Owned.orClose(
        this::close,
        () -> {
          questions.run();
          return this;
        });
  }

  private void ask(Model model, Dataset data, long first, Normalisation normalisation) {
    long outputs = answers.shape().size(1);
    try (Predictor predictor = new Predictor(model, backend, BATCH)) {
      Tensor own = answers.slice(first * outputs, Shape.of(data.size(), outputs));
      predictor.logits(data, normalisation, own);
    }
  }

  /** A row a sample, before the softmax, in the backend's memory. */
  Tensor answers() {
    return answers;
  }

  /** The rows of the first {@code count} samples, in the first entries; until the next call. */
  int[] rows(long[] ids, int count) {
    if (asked.length < count) {
      asked = new int[count];
    }
    for (int n = 0; n < count; n++) {
      asked[n] = rows.get(ids[n]);
    }
    return asked;
  }

  /** Releases the answers; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
