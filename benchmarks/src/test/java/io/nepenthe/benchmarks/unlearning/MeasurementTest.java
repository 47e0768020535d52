package io.nepenthe.benchmarks.unlearning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.unlearn.Methods;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MeasurementTest {
  private static final int IMAGES = 80;

  /** A few digits in the place of photographs: the network and the recipe are CIFAR-10's. */
  @ParameterizedTest
  @ValueSource(strings = {"random", "class", "random-80"})
  void photographsArePrivacyTasksOfAResidualNetwork(String task) {
    Source glyphs = Source.glyphs(1, IMAGES);
    Dataset test = Subset.range(glyphs.test(), 0, 2 * IMAGES - 1);
    Source source =
        new Source(glyphs.training(), Subset.range(glyphs.trusted(), 0, IMAGES - 1), test);
    Row.Cell cell = new Row.Cell(task, "cifar10", 1, Data.CIFAR10.shown().getFirst());
    try (Backend backend = Device.cpu().open();
        Model model = Measurement.train(backend, source, cell);
        Measurement measurement = Measurement.of(backend, source, model, cell)) {
      assertTrue(
          model.parameters().all().stream().anyMatch(it -> it.spec().name().startsWith("res2.1")));
      Map<String, Double> retrained = measurement.retrained(Methods.named("retrain").published());
      Map<String, Double> before = measurement.before();
      Map<String, Double> after =
          measurement.after(Methods.named("salun").published()).orElseThrow();
      assertEquals(0, retrained.get("klToRetrained"));
      assertTrue(before.get("klToRetrained") > 0);
      for (String metric : List.of("efficacyConfidence", "entropyAttack", "lastLayerSimilarity")) {
        double value = after.get(metric);
        assertTrue(value >= 0 && value <= 1, metric + " " + value);
      }
      assertEquals(0.5, after.get("figure.maskRatio"));
      assertEquals(Math.floor(0.5 * model.parameters().count()), after.get("figure.selected"));
      for (String trainedFor : List.of("likelihoodRatio", "relearnTime")) {
        assertFalse(after.containsKey(trainedFor), trainedFor);
      }
      // A share above 1: a try that failed, and no end of the measurement.
      assertEquals(
          Map.of(), UnlearningTables.values(measurement, Methods.named("potion"), "stop=1.58"));
    }
  }

  @Test
  void whereThereIsNoFolderOnlyDrawnDigitsAreMeasured() {
    assertEquals(List.of(Data.GLYPHS), new Sources(Optional.empty()).data());
    assertEquals(List.of(Data.GLYPHS), new Sources(Optional.of(Path.of("nowhere"))).data());
  }

  @Test
  void theSeedsOfPhotographsShareNoImageAndKnowEveryClass() {
    Sources sources =
        new Sources(Optional.ofNullable(System.getenv("NEPENTHE_DATA")).map(Path::of));
    assumeTrue(sources.data().contains(Data.CIFAR10), "NEPENTHE_DATA names no folder with cifar10");
    int larger = new Row.Cell(Tables.LARGER.getFirst(), Data.CIFAR10.title(), 1, 0).images();
    for (int images : List.of(Data.CIFAR10.images(), larger)) {
      shareNone(sources, images);
    }
  }

  private static void shareNone(Sources sources, int images) {
    Set<Long> seen = new HashSet<>();
    Set<Long> judged = new HashSet<>();
    for (long seed = 0; seed <= Tables.LARGER_SEEDS.getLast(); seed++) {
      Source source = sources.of(Data.CIFAR10, seed, images);
      add(seen, source.training());
      add(seen, source.trusted());
      // The seed that chooses is judged on training images that no seed trains on.
      add(seed == 0 ? seen : judged, source.test());
      boolean[] known = new boolean[10];
      for (long i = 0; i < source.training().size(); i++) {
        known[source.training().label(i)] = true;
      }
      for (boolean label : known) {
        assertTrue(label);
      }
    }
  }

  private static void add(Set<Long> seen, Dataset more) {
    for (long i = 0; i < more.size(); i++) {
      assertTrue(seen.add(more.id(i)), "an image twice: " + more.id(i));
    }
  }
}
