package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.nn.Model;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Settings;
import io.nepenthe.unlearn.SsdSearch;
import io.nepenthe.unlearn.Trace;

/** What a method did, for result files. */
final class Traces {
  /** The figure of {@link io.nepenthe.unlearn.SearchedSsd} that is no measurement. */
  private static final String VERDICT = "verdict";

  private Traces() {}

  /** Adds {@code settings}, each as text. */
  static void settings(Method method, ObjectNode json) {
    ObjectNode node = json.putObject("settings");
    Settings.of(method).forEach(node::put);
  }

  /** Adds {@code figures} and, of methods that train, {@code epochs}. */
  static void figures(Trace trace, ObjectNode json) {
    ObjectNode figures = json.putObject("figures");
    trace.figures().forEach(figures::put);
    if (!trace.epochs().isEmpty()) {
      ArrayNode epochs = json.putArray("epochs");
      for (Trace.Epoch epoch : trace.epochs()) {
        epochs
            .addObject()
            .put("over", epoch.over())
            .put("epoch", epoch.epoch())
            .put("loss", epoch.loss());
      }
    }
  }

  /** A method came to no model that can be used. */
  static final class Unusable extends CommandException {
    private static final long serialVersionUID = 1L;

    Unusable(String message) {
      super(message);
    }
  }

  /**
   * A method may have ruined the model: a rate too high leaves weights that are no numbers.
   *
   * @throws Unusable if so
   */
  static void requireFinite(Model model, String method) {
    requireFinite(model, method, "weaker settings, for instance a smaller learningRate");
  }

  /**
   * The same of any change of the weights.
   *
   * @throws Unusable if so
   */
  static void requireFinite(Model model, String what, String remedy) {
    if (!model.isFinite()) {
      throw new Unusable(
          what
              + ": the weights are no longer finite numbers: no model is written; remedy: "
              + remedy);
    }
  }

  /** Says the figures, but the verdict, a number that words follow if it is bad. */
  static void say(Run run, Trace trace) {
    trace
        .figures()
        .forEach(
            (name, value) -> {
              if (!name.equals(VERDICT)) {
                run.say("%-20s%12s", name, Text.figure(value));
              }
            });
  }

  /**
   * A search may have found nothing that keeps the accuracy.
   *
   * @param prefix of a setting on the command line
   * @throws Unusable if so
   */
  static void requireGood(Trace trace, String method, String prefix) {
    Double verdict = trace.figures().get(VERDICT);
    if (verdict != null) {
      requireGood(
          SsdSearch.Verdict.values()[verdict.intValue()],
          method,
          "a larger tolerance (--set "
              + prefix
              + "tolerance=0.1)"
              + (method.equals("ssd") && prefix.isEmpty()
                  ? ", or choose one with --selection"
                  : ""));
    }
  }

  /**
   * The same of a search's verdict.
   *
   * @throws Unusable if it tolerated nothing
   */
  static void requireGood(SsdSearch.Verdict verdict, String method, String remedy) {
    if (verdict == SsdSearch.Verdict.NONE_TOLERATED) {
      throw new Unusable(
          method
              + ": no strength of dampening keeps the accuracy on the held-out data: no model is"
              + " written; remedy: "
              + remedy);
    }
  }
}
