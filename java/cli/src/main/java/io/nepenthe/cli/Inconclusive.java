package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Says so where not even the model before and the one trained anew can be told apart by what they
 * say of the forgotten: then no model can be shown to have forgotten by it.
 */
final class Inconclusive {
  private static final String ATTACKS = "membershipInference";

  private Inconclusive() {}

  /**
   * The sentence, without its full stop; empty if some figure tells them apart, or none is known.
   *
   * @param before metrics of the model before, with {@link Intervals}
   * @param standard of the one trained anew
   */
  static Optional<String> of(JsonNode before, JsonNode standard) {
    List<String> figures = new ArrayList<>(List.of("/forgetAccuracy"));
    before
        .path(Intervals.KEY)
        .path(ATTACKS)
        .fieldNames()
        .forEachRemaining(name -> figures.add("/" + ATTACKS + "/" + name));
    List<String> known =
        figures.stream()
            .filter(name -> before.path(Intervals.KEY).at(name).isObject())
            .filter(name -> standard.path(Intervals.KEY).at(name).isObject())
            .toList();
    return known.isEmpty() || known.stream().anyMatch(name -> areApart(before, standard, name))
        ? Optional.empty()
        : Optional.of(
            "In no figure of the forgotten are the 95 % intervals of the model before and of the one"
                + " trained anew apart: these figures cannot tell a model that forgot from one that"
                + " did not");
  }

  private static boolean areApart(JsonNode one, JsonNode other, String name) {
    JsonNode first = one.path(Intervals.KEY).at(name);
    JsonNode second = other.path(Intervals.KEY).at(name);
    return first.get("high").asDouble() < second.get("low").asDouble()
        || second.get("high").asDouble() < first.get("low").asDouble();
  }
}
