package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.RelearnTime;
import java.util.stream.IntStream;

/**
 * How soon models know what they were made to forget as well as one did before.
 *
 * @param loss of the model before, on the forgotten
 * @param training all that it was trained on
 */
record Relearning(double loss, Dataset training, Dataset forget) {
  /** With the loss of what the model before said of the forgotten. */
  static Relearning of(Predictions known, Dataset training, Dataset forget) {
    double loss = IntStream.range(0, known.size()).mapToDouble(known::loss).average().orElseThrow();
    return new Relearning(loss, training, forget);
  }

  /** The rounds that a model takes, {@link RelearnTime}. */
  int rounds(Run run, ModelFile file, long seed) {
    return RelearnTime.published(seed)
        .rounds(
            file.model(), run.backend(), loss, training, forget, file.normalisationFor(training));
  }
}
