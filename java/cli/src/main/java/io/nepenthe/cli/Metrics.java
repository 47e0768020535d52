package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.evaluate.Distance;
import io.nepenthe.evaluate.Feature;
import io.nepenthe.evaluate.MembershipInference;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.Splits;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import java.util.Locale;

/**
 * Everything that is measured on a model's outputs, for result files: all from one pass over each
 * part of the data. Rates are fractions of one.
 */
final class Metrics {
  private static final String MEMBER = "membershipInference";

  private Metrics() {}

  /** Adds the rates, and {@link Intervals} of them. */
  static void rates(Observed observed, ObjectNode node) {
    observed.rates(node);
    Intervals.to(observed, node);
  }

  /**
   * Adds the rates and, where there is something to forget, the membership attacks, and {@link
   * Intervals}.
   */
  static void of(Observed observed, long seed, ObjectNode node) {
    observed.rates(node);
    observed
        .splits()
        .ifPresent(
            splits -> {
              MembershipInference attack = MembershipInference.defaults(seed);
              ObjectNode member = node.putObject(MEMBER);
              for (Feature feature : Feature.values()) {
                put(member, name(feature), attack.efficacy(splits, feature));
              }
              put(member, "trainingPrivacy", attack.trainingPrivacy(splits, Feature.CONFIDENCE));
              quick(attack, splits, member);
              put(
                  member,
                  "thresholdAttack",
                  attack.thresholdAttack(splits, Feature.MODIFIED_ENTROPY));
            });
    Intervals.to(observed, node);
  }

  /**
   * The same with those attacks alone that need no attacker of many features or many draws: by the
   * confidence, the entropy and the loss.
   */
  static void brief(Observed observed, long seed, ObjectNode node) {
    observed.rates(node);
    observed
        .splits()
        .ifPresent(
            splits -> {
              MembershipInference attack = MembershipInference.defaults(seed);
              ObjectNode member = node.putObject(MEMBER);
              put(member, name(Feature.CONFIDENCE), attack.efficacy(splits, Feature.CONFIDENCE));
              quick(attack, splits, member);
            });
    Intervals.to(observed, node);
  }

  private static void quick(MembershipInference attack, Splits splits, ObjectNode member) {
    put(member, "entropyAttack", attack.entropyAttack(splits));
    put(member, "lossAttack", attack.lossAttack(splits));
  }

  /**
   * Adds how near the model's answers to the forgotten are to those of a network that never learnt
   * anything: one of new weights, drawn by the seed.
   */
  static void ignorance(
      Task task, ModelFile file, Observed observed, Backend backend, long seed, ObjectNode node) {
    if (observed.forget().isEmpty()) {
      return;
    }
    try (Model fresh = Model.initialise(file.model().network(), ~seed)) {
      Predictions random = task.onlyForget().observe(file.withModel(fresh), backend).forget().get();
      put(
          node,
          "zeroRetrainForgetting",
          Distance.zeroRetrainForgetting(observed.forget().get(), random));
    }
  }

  /** Adds how far the model's answers are from those of one trained anew. */
  static void distance(Observed reference, Observed observed, ObjectNode node) {
    ObjectNode distances = node.putObject("toRetrained");
    if (observed.forget().isPresent() && reference.forget().isPresent()) {
      distance("Forget", reference.forget().get(), observed.forget().get(), distances);
    }
    if (observed.keptTest().isPresent() && reference.keptTest().isPresent()) {
      distance("Test", reference.keptTest().get(), observed.keptTest().get(), distances);
    }
  }

  private static void distance(
      String part, Predictions reference, Predictions model, ObjectNode node) {
    put(node, "kullbackLeibler" + part, Distance.kullbackLeibler(reference, model));
    put(node, "activationDistance" + part, Distance.activation(reference, model));
  }

  private static String name(Feature feature) {
    return switch (feature) {
      case MODIFIED_ENTROPY -> "modifiedEntropy";
      default -> feature.name().toLowerCase(Locale.ROOT);
    };
  }

  /** Adds a figure, unless it is no number: {@link Caveats} says why there is none. */
  static void put(ObjectNode node, String name, double value) {
    if (Double.isFinite(value)) {
      node.put(name, value);
    }
  }
}
