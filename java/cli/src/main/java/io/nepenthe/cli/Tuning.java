package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.unlearn.Ladder;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Strength;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Chooses how strong each method is, with as many tries for each, before the comparison itself and
 * on seeds that it does not show: published strengths are for the networks of their papers.
 *
 * @param tries judged by held-out data
 * @param seeds of the models that tell
 */
record Tuning(Comparison tries, List<Long> seeds, Ladder.Aim aim) {
  /**
   * What came of a method.
   *
   * @param method with the strength chosen
   * @param before the strength that it had
   * @param value the one that was chosen
   */
  record Choice(Chosen method, Strength before, double value, List<Try> tried) {}

  /**
   * One strength.
   *
   * @param cost what is to be small; NaN if the method failed
   */
  record Try(double value, double cost) {}

  /** Chooses for a method; empty if it has no strength to choose. */
  Optional<Choice> of(Chosen method, Chosen standard) {
    return aim.strength(method.name(), method.method())
        .map(strength -> choose(method, standard, strength));
  }

  private Choice choose(Chosen method, Chosen standard, Strength strength) {
    List<Try> tried = new ArrayList<>();
    int rung = aim.rung(it -> cost(method, standard, strength, it, tried));
    Chosen chosen = new Chosen(method.name(), method.title(), strength.at(rung));
    return new Choice(chosen, strength, strength.value(rung), tried);
  }

  private double cost(
      Chosen method, Chosen standard, Strength strength, int rung, List<Try> tried) {
    double value = strength.value(rung);
    String name = method.name() + "-" + strength.setting() + "=" + value;
    double cost =
        at(strength, rung)
            .map(it -> cost(new Chosen(name, method.title(), it), standard))
            .orElse(Double.NaN);
    tried.add(new Try(value, cost));
    return cost;
  }

  /** Empty if the method does not take so much, or so little. */
  private static Optional<Method> at(Strength strength, int rung) {
    try {
      return Optional.of(strength.at(rung));
    } catch (IllegalArgumentException _) {
      return Optional.empty();
    }
  }

  /** Over the seeds; NaN from the first on which it failed. */
  private double cost(Chosen method, Chosen standard) {
    double sum = 0;
    for (int i = 0; i < seeds.size() && !Double.isNaN(sum); i++) {
      sum += cost(seeds.get(i), method, standard);
    }
    return sum / seeds.size();
  }

  private double cost(long seed, Chosen method, Chosen standard) {
    JsonNode before = tries.before(seed).get("metrics");
    JsonNode anew = tries.standard(seed, standard).get("metrics");
    ObjectNode now = tries.after(seed, standard, method);
    if (now.has(Cells.FAILED)) {
      return Double.NaN;
    }
    JsonNode metrics = now.get("metrics");
    return isRepair()
        ? before.get("testAccuracy").asDouble() - metrics.get("testAccuracy").asDouble()
        : Figures.averageGap(Figures.gap(metrics, anew)).orElseThrow();
  }

  private boolean isRepair() {
    return aim == Ladder.Aim.REPAIR;
  }

  /** Adds {@code tuning}: what was tried, and what was chosen. */
  void to(List<Choice> choices, ObjectNode json) {
    ObjectNode node = json.putObject("tuning");
    node.put("rule", isRepair() ? "strongestTolerated" : "leastGap");
    ArrayNode on = node.putArray("seeds");
    seeds.forEach(on::add);
    ArrayNode methods = node.putArray("methods");
    for (Choice choice : choices) {
      ObjectNode one = methods.addObject().put("name", choice.method.name());
      one.put("setting", choice.before.setting());
      one.put("before", choice.before.value()).put("chosen", choice.value);
      ArrayNode tried = one.putArray("tried");
      for (Try it : choice.tried) {
        ObjectNode at = tried.addObject().put("value", it.value);
        if (Double.isFinite(it.cost)) {
          at.put("cost", it.cost);
        }
      }
    }
  }

  /** What was chosen, in a sentence without its full stop. */
  String sentence(List<Choice> choices) {
    String rule =
        isRepair()
            ? "the largest learning rate that costs no more than a point on held-out data"
            : "the strength nearest to training anew on held-out data";
    String settings =
        choices.stream()
            .map(
                it ->
                    "%s %s %s (was %s)"
                        .formatted(
                            it.method.name(),
                            it.before.setting(),
                            plain(it.value),
                            plain(it.before.value())))
            .collect(Collectors.joining("; "));
    String on = seeds.stream().map(String::valueOf).collect(Collectors.joining(", "));
    return "Chosen on seed%s %s, %s: %s"
        .formatted(seeds.size() == 1 ? "" : "s", on, rule, settings);
  }

  private static String plain(double value) {
    return BigDecimal.valueOf(value).stripTrailingZeros().toPlainString();
  }
}
