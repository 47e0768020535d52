package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.evaluate.Interval;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Methods beside each other, over seeds, and after a kill. */
class CompareTest {
  private static final String TASK =
      "compare --arch mlp --width 16 --epochs 2 --data glyphs:train/400 --test glyphs:test/200"
          + " --forget-class 3 --target 0";
  private static final String TWO = " --methods fine-tune,ssd-published";

  @TempDir static Path folder;

  private static Path whole;
  private static JsonNode result;

  @BeforeAll
  static void compare() {
    whole = folder.resolve("whole");
    result = run(TASK + TWO + " --seeds 2", whole);
  }

  private static String[] words(String line, Path out) {
    return (line + " --quiet --out " + out).split(" ");
  }

  private static JsonNode run(String line, Path out) {
    assertEquals(new Nepenthe.Outcome(0, "", ""), Nepenthe.here(words(line, out)));
    return Nepenthe.json(out.resolve("result.json"));
  }

  /**
   * The models that have a record, with when each was written. Looked for by their names alone: a
   * temporary file of a running command may be gone before anything else about it is asked.
   */
  private static Map<String, Long> models(Path out) throws IOException {
    Map<String, Long> models = new TreeMap<>();
    for (Path seed : children(out, "seed-\\d+")) {
      for (Path file : children(seed, ".*\\.onnx")) {
        if (Files.exists(Path.of(file.toString().replace(".onnx", ".json")))) {
          models.put(out.relativize(file).toString(), Files.getLastModifiedTime(file).toMillis());
        }
      }
    }
    return models;
  }

  private static List<Path> children(Path folder, String name) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.getFileName().toString().matches(name)).toList();
    }
  }

  /** Everything but times. */
  private static JsonNode timeless(JsonNode result) {
    ObjectNode methods = result.deepCopy();
    methods.retain("task", "before", "methods");
    methods.findParents("seconds").forEach(node -> ((ObjectNode) node).remove("seconds"));
    return methods;
  }

  @Test
  void theResultHasTheFormThatIsPromised() {
    assertEquals("compare", result.get("command").asText());
    assertEquals("cpu", result.get("device").asText());
    assertEquals(40, result.get("task").get("forget").asInt());
    assertEquals(3, result.get("methods").size());
    JsonNode means = result.get("methods").get(1);
    for (Map.Entry<String, Integer> share :
        Map.of(
                "/unlearningAccuracy",
                40,
                "/membershipInference/confidence",
                40,
                "/testAccuracy",
                180)
            .entrySet()) {
      JsonNode found = means.at("/interval95" + share.getKey());
      Interval wilson = Interval.wilson(means.at(share.getKey()).asDouble(), share.getValue());
      assertEquals(share.getValue(), found.get("samples").asInt(), found.toString());
      assertEquals(wilson.low(), found.get("low").asDouble(), found.toString());
      assertEquals(wilson.high(), found.get("high").asDouble(), found.toString());
      assertTrue(means.at("/seeds/0/metrics/interval95" + share.getKey()).isObject());
    }
    assertEquals("[\"3\"]", result.at("/task/forgotten/altogether").toString());
    assertTrue(
        result.at("/notes/0").asText().startsWith("Of class 3, forgotten altogether, the 20"));
    assertTrue(result.at("/notes/1").asText().startsWith("Where the forgotten bear wrong labels"));
    // Neither the target's own images are attacked nor those of the class.
    assertEquals(160, means.at("/interval95/attackSuccessRate/samples").asInt());
    JsonNode first = result.at("/methods/1/seeds/0");
    assertEquals(
        first.at("/classes/3/accuracy"), first.at("/metrics/forgottenClassTestAccuracy"), "apart");
    assertTrue(
        means.at("/gap/interval95").isMissingNode()
            && means.at("/deviation/interval95").isMissingNode());
    assertEquals("retrain", result.get("methods").get(0).get("name").asText());
    assertEquals(0, result.get("methods").get(0).get("averageGap").asDouble());
    for (JsonNode method : result.get("methods")) {
      assertTrue(method.get("cleanAccuracy").asDouble() > 0, method.toString());
      assertTrue(method.get("attackSuccessRate").asDouble() >= 0, method.toString());
      assertTrue(method.get("seconds").get("total").asDouble() > 0, method.toString());
    }
  }

  @Test
  void meansDeviationsAndGapsAreThoseOfTheSeeds() {
    JsonNode standard = result.get("methods").get(0).get("seeds");
    JsonNode method = result.get("methods").get(2);
    double[] rates = new double[2];
    double gap = 0;
    for (int i = 0; i < 2; i++) {
      rates[i] = method.get("seeds").get(i).get("metrics").get("testAccuracy").asDouble();
      gap += Math.abs(rates[i] - standard.get(i).get("metrics").get("testAccuracy").asDouble()) / 2;
    }
    assertEquals((rates[0] + rates[1]) / 2, method.get("testAccuracy").asDouble(), 1e-12);
    assertEquals(gap, method.get("gap").get("testAccuracy").asDouble(), 1e-12);
    assertEquals(
        Math.abs(rates[0] - rates[1]) / Math.sqrt(2),
        method.get("deviation").get("testAccuracy").asDouble(),
        1e-12);
  }

  @Test
  void afterAKillNothingIsComputedAgain() throws Exception {
    Path out = folder.resolve("killed");
    Process process = Nepenthe.start(Map.of(), words(TASK + TWO + " --seeds 2", out));
    for (int i = 0; i < 6000 && (!Files.isDirectory(out) || models(out).size() < 3); i++) {
      Thread.sleep(5);
    }
    process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
    assertFalse(Files.exists(out.resolve("result.json")), "killed before the end");
    Map<String, Long> before = models(out);
    assertTrue(before.size() >= 3, before.toString());
    JsonNode resumed = run(TASK + TWO + " --seeds 2", out);
    Map<String, Long> after = models(out);
    assertEquals(8, after.size());
    before.forEach((name, time) -> assertEquals(time, after.get(name), name));
    assertEquals(timeless(result), timeless(resumed));
  }

  @Test
  void theLargestSeedHasOneAfterIt() {
    String line =
        "compare --arch mlp --width 4 --epochs 1 --data glyphs:train/60 --test glyphs:test/100"
            + " --forget-class 3 --methods retrain --seeds 2 --seed "
            + Long.MAX_VALUE;
    JsonNode seeds = run(line, folder.resolve("largest")).at("/methods/0/seeds");
    assertEquals(Long.MAX_VALUE, seeds.get(0).get("seed").asLong());
    assertEquals(Long.MIN_VALUE, seeds.get(1).get("seed").asLong());
  }

  @Test
  void whatWasTooStrongForTheNetworkIsSaid() throws Exception {
    assertEquals(0, result.get("warnings").size(), result.get("warnings").toString());
    Path out = folder.resolve("strong");
    String line = TASK + " --methods fine-tune --seeds 1 --set fine-tune.learningRate=20 --out ";
    Nepenthe.Outcome outcome = Nepenthe.here((line + out).split(" "));
    assertEquals(0, outcome.status(), outcome.err());
    String warning = Nepenthe.json(out.resolve("result.json")).get("warnings").get(0).asText();
    assertTrue(warning.startsWith("fine-tune lost "), warning);
    assertTrue(warning.endsWith("--set fine-tune.learningRate=6.3"), warning);
    assertTrue(outcome.out().contains("warning: " + warning), outcome.out());
    assertTrue(Files.readString(out.resolve("report.html")).contains(warning), "in the report");
  }

  @Test
  void strengthsAreChosenOnSeedsOfTheirOwn() throws Exception {
    Path out = folder.resolve("tuned");
    String line =
        TASK.replace(" --target 0", "")
            + " --methods fine-tune,eu-k --seeds 1 --tune 2"
            + " --held-out glyphs:test/100 --set fine-tune.epochs=2";
    JsonNode json = run(line, out);
    JsonNode tuning = json.get("tuning");
    assertEquals("leastGap", tuning.get("rule").asText());
    assertEquals("[-1,0]", tuning.get("seeds").toString());
    assertEquals(1, tuning.get("methods").size(), "eu-k and retrain have no strength");
    JsonNode method = tuning.get("methods").get(0);
    assertEquals(0.01, method.get("before").asDouble(), 1e-6);
    assertEquals(6, method.get("tried").size());
    double chosen = method.get("chosen").asDouble();
    Map<Double, Double> costs = new TreeMap<>();
    for (JsonNode tried : method.get("tried")) {
      costs.put(
          tried.get("value").asDouble(), tried.path("cost").asDouble(Double.POSITIVE_INFINITY));
    }
    assertEquals(Collections.min(costs.values()), costs.get(chosen));
    JsonNode used = json.get("methods").get(1).get("seeds").get(0).get("settings");
    assertEquals(chosen, used.get("learningRate").asDouble(), 1e-6 * chosen);
    assertTrue(
        Files.readString(out.resolve("report.html"))
            .contains(
                "fine-tune learningRate " + method.get("chosen").decimalValue().toPlainString()));
    Map<String, Long> tries = models(out.resolve("tuning"));
    assertEquals(tuning, run(line, out).get("tuning"));
    assertEquals(tries, models(out.resolve("tuning")), "nothing computed again");
  }

  @Test
  void aStrengthThatFailedIsNotTriedAgain() throws Exception {
    Path out = folder.resolve("failed");
    String line =
        TASK.replace(" --target 0", "")
            + " --methods fine-tune --seeds 1 --tune 1 --held-out glyphs:test/100"
            + " --set fine-tune.learningRate=1e30 --set fine-tune.epochs=1";
    // Every one of the six is too much, and so is what is chosen.
    Nepenthe.Outcome first = Nepenthe.here((line + " --out " + out).split(" "));
    assertEquals(0, first.status(), first.err());
    List<String> tries = first.out().lines().filter(it -> it.contains("fine-tune-")).toList();
    assertEquals(6, tries.size(), first.out());
    Nepenthe.Outcome second = Nepenthe.here((line + " --out " + out).split(" "));
    assertEquals(0, second.status(), second.err());
    assertFalse(second.out().contains("fine-tune-"), second.out());
  }

  @Test
  void aMethodThatFailsIsShownAsSuchAndTheOthersGoOn() throws Exception {
    Path out = folder.resolve("ruined");
    String line =
        TASK.replace(" --target 0", "")
            + " --methods fine-tune,gradient-ascent --seeds 2 --set fine-tune.learningRate=1e30"
            + " --set fine-tune.epochs=1 --out "
            + out;
    Nepenthe.Outcome first = Nepenthe.here(line.split(" "));
    assertEquals(0, first.status(), first.err());
    JsonNode json = Nepenthe.json(out.resolve("result.json"));
    JsonNode failed = json.get("methods").get(1);
    assertEquals("fine-tune", failed.get("name").asText());
    assertEquals(2, failed.get("failed").asInt());
    assertFalse(failed.has("testAccuracy"), failed.toString());
    String reason = failed.at("/seeds/1/failed").asText();
    assertTrue(reason.contains("no longer finite numbers"), reason);
    JsonNode other = json.get("methods").get(2);
    assertFalse(other.has("failed"));
    assertTrue(other.get("testAccuracy").asDouble() > 0);
    String warning = "fine-tune failed with seeds 1, 2: " + reason;
    assertEquals(warning, json.get("warnings").get(0).asText());
    assertTrue(first.out().contains("warning: " + warning), first.out());
    assertTrue(first.out().lines().anyMatch(it -> it.endsWith("failed: 2")), first.out());
    String page = Files.readString(out.resolve("report.html"));
    assertTrue(page.contains("failed with 2 of 2 seeds"));
    assertTrue(page.contains(warning));
    assertFalse(page.contains("<option value=\"fine-tune\""), "there is nothing to draw");
    Nepenthe.Outcome second = Nepenthe.here(line.split(" "));
    assertFalse(second.out().contains("seed 1, fine-tune"), second.out());
    assertEquals(timeless(json), timeless(Nepenthe.json(out.resolve("result.json"))));
  }

  @Test
  void ofAMethodThatFailedWithOneSeedTheOthersAreSummedUp() {
    ObjectNode ruined = cell(2, 0, 0).remove(List.of("metrics", "seconds"));
    List<Comparison.Row> rows =
        List.of(
            new Comparison.Row("before", "Before", List.of(cell(1, 0.9, 0.1), cell(2, 0.8, 0))),
            new Comparison.Row("retrain", "Anew", List.of(cell(1, 0.7, 0.5), cell(2, 0.3, 0.1))),
            new Comparison.Row(
                "salun", "SalUn", List.of(cell(1, 0.6, 0.2), ruined.put("failed", "too much"))));
    ObjectNode json = ruined.objectNode();
    new Summary(rows).to(json);
    JsonNode salun = json.at("/methods/1");
    assertEquals(1, salun.get("failed").asInt());
    assertEquals(0.6, salun.get("testAccuracy").asDouble(), 1e-12);
    assertEquals(0.1, salun.at("/gap/testAccuracy").asDouble(), 1e-12);
    assertEquals(0.4 / 3, salun.at("/averageGap").asDouble(), 1e-12);
    assertEquals("[\"salun failed with seed 2: too much\"]", json.get("warnings").toString());
  }

  private static ObjectNode cell(long seed, double test, double unlearning) {
    ObjectNode node = JsonNodeFactory.instance.objectNode().put("seed", seed);
    node.putObject("metrics")
        .put("testAccuracy", test)
        .put("unlearningAccuracy", unlearning)
        .put("retainAccuracy", 1);
    node.putObject("seconds").put("total", 1);
    return node;
  }

  /** Of the digits in turn the first positions have all classes but 3, the others that alone. */
  @ParameterizedTest
  @CsvSource({
    "scrub-r, 4-12, the held-out data have none of the forgotten classes",
    "ssd, 3-3, the held-out data have none of the classes that are kept"
  })
  void whatTheHeldOutDataLackIsSaidBeforeAnythingIsTrained(
      String method, String positions, String reason) {
    Path out = folder.resolve("lacking");
    String line = TASK + " --held-out glyphs:test/100#" + positions;
    Nepenthe.Outcome outcome = Nepenthe.here(words(line + " --methods " + method, out));
    assertEquals(2, outcome.status(), outcome.err());
    assertTrue(outcome.err().contains(method + ": " + reason), outcome.err());
    assertFalse(Files.exists(out));
  }

  @Test
  void ofAllMethodsThoseAreLeftOutThatTheTaskDoesNotAllow() throws Exception {
    Path out = folder.resolve("all");
    String line =
        "compare --arch mlp --width 4 --epochs 1 --data glyphs:train/40 --test glyphs:test/20"
            + " --forget-class 3 --seeds 1 --held-out glyphs:test/100#4-12";
    JsonNode json = run(line, out);
    List<String> names = json.get("methods").findValuesAsText("name");
    assertTrue(names.contains("scrub"), names.toString());
    String page = Files.readString(out.resolve("report.html"));
    for (String note :
        List.of(
            "scrub-r: the held-out data have none of the forgotten classes",
            "prune: the network has no convolutions to prune")) {
      assertFalse(names.contains(note.substring(0, note.indexOf(':'))), names.toString());
      assertTrue(page.contains("Left out: " + note), note);
    }
  }

  @Test
  void aRepairIsAsStrongAsCostsNoMoreThanAPoint() {
    Path out = folder.resolve("repair");
    JsonNode json =
        run(
            TASK
                + " --methods gradient-ascent,ssd-published --seeds 1 --tune 1"
                + " --held-out glyphs:test/100",
            out);
    JsonNode tuning = json.get("tuning");
    assertEquals("strongestTolerated", tuning.get("rule").asText());
    assertEquals(1, tuning.get("methods").size(), "dampening keeps its threshold");
    JsonNode method = tuning.get("methods").get(0);
    double chosen = method.get("chosen").asDouble();
    for (JsonNode tried : method.get("tried")) {
      if (tried.get("value").asDouble() == chosen) {
        assertTrue(tried.get("cost").asDouble() <= 0.01, tried.toString());
      }
    }
  }

  @Test
  void onlyWhatIsNewIsComputed() throws Exception {
    Path out = folder.resolve("grown");
    run(TASK + " --methods fine-tune --seeds 1", out);
    Map<String, Long> first = models(out);
    run(TASK + TWO + " --seeds 2 --set fine-tune.epochs=1", out);
    Map<String, Long> second = models(out);
    assertEquals(8, second.size());
    assertEquals(first.get("seed-1/before.onnx"), second.get("seed-1/before.onnx"));
    assertEquals(first.get("seed-1/retrain.onnx"), second.get("seed-1/retrain.onnx"));
    assertTrue(
        first.get("seed-1/fine-tune.onnx") < second.get("seed-1/fine-tune.onnx"), "other settings");
    run(TASK.replace("--epochs 2", "--epochs 1") + TWO + " --seeds 1", out);
    assertTrue(
        second.get("seed-1/before.onnx") < models(out).get("seed-1/before.onnx"), "other task");
  }

  @Test
  void howSoonTheForgottenAreKnownAgainIsMeasuredOfEverySeedIfAskedFor() throws Exception {
    Path out = folder.resolve("relearnt");
    String line = TASK + " --methods fine-tune --seeds 2";
    assertFalse(run(line, out).at("/methods/0").has("relearnTime"));
    Map<String, Long> models = models(out);
    JsonNode json = run(line + " --relearn", out);
    assertEquals(models, models(out), "no model is made anew");
    assertFalse(json.get("before").has("relearnTime"), "it has forgotten nothing");
    for (JsonNode method : json.get("methods")) {
      double[] rounds = new double[2];
      for (int seed = 0; seed < 2; seed++) {
        rounds[seed] = method.get("seeds").get(seed).at("/metrics/relearnTime").asInt();
        assertTrue(rounds[seed] >= 1 && rounds[seed] <= 101, method.toString());
      }
      assertEquals((rounds[0] + rounds[1]) / 2, method.get("relearnTime").asDouble(), 1e-12);
      assertEquals(
          Math.abs(rounds[0] - rounds[1]) / Math.sqrt(2),
          method.at("/deviation/relearnTime").asDouble(),
          1e-12);
    }
    assertTrue(json.at("/methods/0/relearnTime").asDouble() > 1, "retraining never knew them");
    String table = Nepenthe.here((line + " --relearn --out " + out).split(" ")).out();
    assertTrue(table.lines().anyMatch(it -> it.matches(" .* member +relearn +gap .*")), table);
    for (int i = 0; i < 2; i++) {
      String shown =
          String.format(
              Text.LOCALE,
              " %.1f ± %.1f ",
              json.at("/methods/%d/relearnTime".formatted(i)).asDouble(),
              json.at("/methods/%d/deviation/relearnTime".formatted(i)).asDouble());
      assertTrue(table.contains(shown), shown + table);
    }
    assertFalse(
        Nepenthe.here((line + " --out " + folder.resolve("plain")).split(" "))
            .out()
            .contains("relearn"));
    assertTrue(Files.readString(out.resolve("report.html")).contains("Relearned after"));
    Path record = out.resolve("seed-2/retrain.json");
    FileTime written = Files.getLastModifiedTime(record);
    assertEquals(timeless(json), timeless(run(line + " --relearn", out)));
    assertEquals(written, Files.getLastModifiedTime(record), "nothing is measured again");
  }

  @Test
  void whatAnotherSeedDrewIsNotTakenForItsOwn() throws Exception {
    Path out = folder.resolve("drawn");
    String line =
        "compare --arch mlp --width 4 --epochs 1 --data glyphs:train/40 --test glyphs:test/20"
            + " --forget-fraction 0.1 --methods retrain";
    JsonNode first = run(line + " --seeds 2", out);
    Map<String, Long> models = models(out);
    JsonNode second = run(line + " --seeds 1 --seed 2", out);
    String sum = first.at("/task/forgotten/idsSha256").asText();
    assertNotEquals(sum, second.at("/task/forgotten/idsSha256").asText());
    assertTrue(
        models.get("seed-2/retrain.onnx") < models(out).get("seed-2/retrain.onnx"),
        "other examples are forgotten");
    String page = Files.readString(out.resolve("report.html"));
    assertTrue(page.contains(second.at("/task/forgotten/idsSha256").asText()), "in the report");
  }

  @Test
  void whatCameNoNearerToTrainingAnewIsSaid() {
    String line = TASK.replace(" --target 0", "") + " --methods gradient-ascent,retrain --seeds 1";
    JsonNode json = run(line + " --set gradient-ascent.learningRate=1e-9", folder.resolve("weak"));
    assertEquals(1, json.get("warnings").size(), json.get("warnings").toString());
    String warning = json.get("warnings").get(0).asText();
    assertTrue(warning.startsWith("gradient-ascent came no nearer to training anew"), warning);
  }

  @Test
  void withoutHeldOutDataOnlyMethodsThatNeedNoneAreCompared() {
    for (String setting : List.of("ssd.tolerance=0", "scrub-r.alpha=1")) {
      Nepenthe.Outcome outcome =
          Nepenthe.here(words(TASK + " --set " + setting, folder.resolve("wrong")));
      assertEquals(2, outcome.status(), outcome.err());
      assertTrue(outcome.err().contains("not among the methods"), outcome.err());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        " --methods magic",
        " --seeds 0",
        " --tune -1",
        " --tune 1",
        " --set fine-tune=1",
        " --methods ssd-published --set fine-tune.epochs=1",
        " --set fine-tune.magic=1",
        " --methods scrub-r",
        " --methods scrub --set scrub.rewind=true",
        " --methods ssd",
        " --epochs 0"
      })
  void wrongUsageIsTwoAndWritesNothing(String more) {
    Path out = folder.resolve("wrong");
    String task = more.contains("epochs 0") ? TASK.replace(" --epochs 2", "") : TASK;
    Nepenthe.Outcome outcome = Nepenthe.here(words(task + more, out));
    assertEquals(2, outcome.status(), outcome.err());
    assertFalse(Files.exists(out));
  }
}
