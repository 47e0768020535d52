package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.evaluate.LinearCka;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Network;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.LongStream;

/**
 * What the report draws of one model, beside its rates: where it places some samples, how sure it
 * is of the members and of the others, what it answers to some of the forgotten images, and how
 * alike it is to other models.
 *
 * @param task its parts are all there
 * @param seed of the embedding
 */
record Portrait(Task task, Backend backend, long seed) {
  /** Samples of each part in the embedding. */
  static final int POINTS = 250;

  /** Images shown of the forgotten. */
  static final int IMAGES = 12;

  /** Test samples by which layers are compared. */
  private static final int COMPARED = 300;

  private static final int LEAST = -8;
  private static final int MOST = 24;

  /** The parts in the order in which the page has them. */
  static final List<String> PARTS = List.of("retain", "forget", "test");

  /**
   * Draws a model.
   *
   * @param like the embedding of the model before, to be turned like; empty for that model itself
   */
  void draw(ModelFile file, Observed observed, float[][] like, ObjectNode node) {
    ObjectNode sureness = node.putObject("sureness");
    sureness.put("least", LEAST);
    for (int part = 0; part < PARTS.size(); part++) {
      histogram(predictions(observed, part), sureness.putArray(PARTS.get(part)));
    }
    ArrayNode answers = node.putArray("answers");
    for (long index : spread(forget().size(), IMAGES)) {
      answers.add(observed.forget().orElseThrow().answer((int) index));
    }
    float[][] own = Embedding.of(features(file), seed);
    float[][] points = like.length == 0 ? own : Embedding.aligned(own, like);
    ArrayNode embedding = node.putArray("embedding");
    for (float[] point : points) {
      embedding.add(number(point[0])).add(number(point[1]));
    }
  }

  /** The points that {@link #draw} noted. */
  static float[][] embedding(JsonNode detail) {
    JsonNode flat = detail.get("embedding");
    float[][] points = new float[flat.size() / 2][];
    for (int i = 0; i < points.length; i++) {
      points[i] =
          new float[] {(float) flat.get(2 * i).asDouble(), (float) flat.get(2 * i + 1).asDouble()};
    }
    return points;
  }

  /** What a model's layers make of some of the test data. */
  LinearCka.Layers layers(ModelFile file) {
    return layers(file, task.test().orElseThrow(), backend);
  }

  /** What a model's layers make of some of the data. */
  static LinearCka.Layers layers(ModelFile file, Dataset test, Backend backend) {
    Dataset data = some(test, COMPARED);
    return LinearCka.Layers.of(file.model(), backend, data, file.normalisationFor(data));
  }

  /**
   * Adds how alike two models represent the same data, layer by layer: linear centred kernel
   * alignment, null where a layer is constant.
   */
  static void compare(LinearCka.Layers one, LinearCka.Layers other, ObjectNode node) {
    one.similarity(other)
        .forEach(
            (layer, similarity) -> {
              if (Double.isFinite(similarity)) {
                node.put(layer, similarity);
              } else {
                node.putNull(layer);
              }
            });
  }

  /** Some positions of a data set, evenly spread. */
  static long[] spread(long size, int most) {
    long count = Math.min(size, most);
    return LongStream.range(0, count).map(i -> i * size / count).toArray();
  }

  private Dataset forget() {
    return task.forget().orElseThrow();
  }

  private static Dataset some(Dataset data, int most) {
    return Subset.ofIds(data, LongStream.of(spread(data.size(), most)).map(data::id).toArray());
  }

  /** What the last layer sees of some samples, part after part. */
  private float[][] features(ModelFile file) {
    Network network = file.model().network();
    int last = network.nodes().size() - 1;
    while (last > 1 && !(network.nodes().get(last).layer() instanceof Layer.Parametric)) {
      last--;
    }
    List<Integer> before = List.of(network.nodes().get(last).inputs().getFirst());
    List<float[]> features = new ArrayList<>();
    for (Dataset part : List.of(task.retain().orElseThrow(), forget(), task.test().orElseThrow())) {
      Dataset data = some(part, POINTS);
      Normalisation normalisation = file.normalisationFor(data);
      features.addAll(
          List.of(
              LinearCka.features(file.model(), backend, data, normalisation, before).getFirst()));
    }
    return features.toArray(float[][]::new);
  }

  private static Predictions predictions(Observed observed, int part) {
    Optional<Predictions> strangers =
        Optional.of(observed.strangers()).filter(it -> it.size() > 0).or(observed::keptTest);
    return List.of(observed.retain(), observed.forget(), strangers).get(part).orElseThrow();
  }

  /** The share of the samples in each unit of log p/(1 − p), p of the own label. */
  private static void histogram(Predictions predictions, ArrayNode bins) {
    long[] counts = new long[MOST - LEAST];
    for (int n = 0; n < predictions.size(); n++) {
      double value = predictions.logOdds(n);
      counts[(int) Math.clamp(Math.floor(value) - LEAST, 0, counts.length - 1)]++;
    }
    for (long count : counts) {
      bins.add(number((double) count / predictions.size()));
    }
  }

  /** Enough digits to draw. */
  private static double number(double value) {
    return Double.parseDouble(String.format(Locale.ROOT, "%.4g", value));
  }
}
