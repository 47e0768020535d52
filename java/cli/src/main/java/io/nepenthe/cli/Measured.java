package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;

/**
 * How a model does on a backdoor task; rates are fractions of one.
 *
 * @param cleanAccuracy test images answered as labelled
 * @param attackSuccessRate triggered test images of other classes answered with the target
 * @param correctedAccuracy the same images answered as labelled
 * @param forgetAccuracy the known poisoned samples answered with their poisoned label
 * @param retainAccuracy the rest of the training data answered as labelled there
 * @param clean the outputs for the test images
 * @param triggered the outputs for the triggered test images
 */
record Measured(
    double cleanAccuracy,
    double attackSuccessRate,
    double correctedAccuracy,
    double forgetAccuracy,
    double retainAccuracy,
    Predictions clean,
    Predictions triggered) {
  static final int BATCH = 256;

  static Measured of(
      Model model,
      Backend backend,
      Manipulated training,
      BadNets backdoor,
      Dataset test,
      Normalisation normalisation) {
    try (Predictor predictor = new Predictor(model, backend, BATCH)) {
      Dataset attacked = backdoor.triggered(test);
      Dataset known = training.known();
      Dataset retained = training.retained();
      Predictions clean = Predictions.of(predictor, test, normalisation);
      Predictions triggered = Predictions.of(predictor, attacked, normalisation);
      return new Measured(
          clean.accuracy(),
          triggered.share(n -> triggered.answer(n) == backdoor.target()),
          triggered.accuracy(),
          Predictions.of(predictor, known, normalisation).accuracy(),
          Predictions.of(predictor, retained, normalisation).accuracy(),
          clean,
          triggered);
    }
  }

  /** Adds the rates under their names. */
  ObjectNode to(ObjectNode node) {
    return node.put("cleanAccuracy", cleanAccuracy)
        .put("attackSuccessRate", attackSuccessRate)
        .put("correctedAccuracy", correctedAccuracy)
        .put("forgetAccuracy", forgetAccuracy)
        .put("retainAccuracy", retainAccuracy);
  }
}
