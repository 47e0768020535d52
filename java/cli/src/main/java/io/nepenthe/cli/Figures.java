package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/** Means, deviations and gaps of metrics that stand in JSON objects of one structure. */
final class Figures {
  /** The metrics of the average gap: UA, RA, TA and membership inference. */
  private static final List<String> PRIVACY =
      List.of(
          "/unlearningAccuracy",
          "/retainAccuracy",
          "/testAccuracy",
          "/membershipInference/confidence");

  private Figures() {}

  /** A number for each number that all have, in the same structure, without {@link Intervals}. */
  static JsonNode reduce(List<JsonNode> nodes, ToDoubleFunction<double[]> function) {
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    for (var property : nodes.getFirst().properties()) {
      String name = property.getKey();
      if (name.equals(Intervals.KEY)) {
        continue;
      }
      List<JsonNode> values = nodes.stream().map(node -> node.path(name)).toList();
      if (values.stream().allMatch(JsonNode::isNumber)) {
        double value =
            function.applyAsDouble(values.stream().mapToDouble(JsonNode::asDouble).toArray());
        if (Double.isFinite(value)) {
          result.put(name, value);
        }
      } else if (values.stream().allMatch(JsonNode::isObject)) {
        result.set(name, reduce(values, function));
      }
    }
    return result;
  }

  static double mean(double... values) {
    return DoubleStream.of(values).average().orElse(Double.NaN);
  }

  static double deviation(double... values) {
    double mean = mean(values);
    double squares = DoubleStream.of(values).map(v -> (v - mean) * (v - mean)).sum();
    return Math.sqrt(squares / (values.length - 1));
  }

  /** The distance of each metric to the same of training anew. */
  static JsonNode gap(JsonNode metrics, JsonNode standard) {
    return reduce(List.of(metrics, standard), two -> Math.abs(two[0] - two[1]));
  }

  /** The mean gap of the privacy metrics that there are. */
  static OptionalDouble averageGap(JsonNode gap) {
    return PRIVACY.stream()
        .map(gap::at)
        .filter(JsonNode::isNumber)
        .mapToDouble(JsonNode::asDouble)
        .average();
  }
}
