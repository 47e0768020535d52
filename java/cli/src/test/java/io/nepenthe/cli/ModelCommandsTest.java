package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.IdList;
import io.nepenthe.data.Safetensors;
import io.nepenthe.evaluate.Interval;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.unlearn.Methods;
import java.awt.image.BufferedImage;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Train, evaluate, fisher and unlearn, run as a user runs them, on a model small and quick. */
class ModelCommandsTest {
  @TempDir static Path folder;

  private static final String TRAIN = "glyphs:train/2000";
  private static final String TEST = "glyphs:test/500";

  private static String path(String name) {
    return folder.resolve(name).toString();
  }

  private static JsonNode run(String json, String... arguments) {
    String[] all = java.util.Arrays.copyOf(arguments, arguments.length + 2);
    all[arguments.length] = "--json";
    all[arguments.length + 1] = path(json);
    Nepenthe.Outcome outcome = Nepenthe.run(all);
    assertEquals(0, outcome.status(), outcome.err());
    return Nepenthe.json(folder.resolve(json));
  }

  private static JsonNode train(String out, String threads) {
    return run(
        out + ".json",
        "train",
        "--arch",
        "lenet",
        "--data",
        TRAIN,
        "--test",
        TEST,
        "--epochs",
        "3",
        "--threads",
        threads,
        "--out",
        path(out));
  }

  private static JsonNode trained;

  @BeforeAll
  static void train() {
    trained = train("model.onnx", "2");
  }

  @Test
  void theFileIsTheModelThatWasTrained() throws Exception {
    assertEquals(3, trained.get("epochs").size());
    double accuracy = trained.get("testAccuracy").asDouble();
    assertTrue(accuracy > 0.5, "accuracy " + accuracy);
    JsonNode evaluated =
        run("evaluate.json", "evaluate", "--model", path("model.onnx"), "--data", TEST);
    JsonNode after = evaluated.get("after");
    assertEquals(accuracy, after.get("testAccuracy").asDouble());
    assertEquals(10, after.get("classes").size());
    long right = 0;
    long all = 0;
    for (int label = 0; label < 10; label++) {
      for (int answer = 0; answer < 10; answer++) {
        long count = after.get("confusion").get(label).get(answer).asLong();
        all += count;
        right += label == answer ? count : 0;
      }
    }
    assertEquals(500, all);
    assertEquals(accuracy, right / 500.0, 1e-12);
  }

  @ParameterizedTest
  @ValueSource(strings = {"npz:nowhere.npz", "glyphs:test/20/letters", "images:IMAGES"})
  void testDataThatDoNotFitAreSaidBeforeTheTraining(String test) throws Exception {
    Path images = Files.createDirectories(folder.resolve("images/0"));
    BufferedImage image = new BufferedImage(8, 8, BufferedImage.TYPE_BYTE_GRAY);
    ImageIO.write(image, "png", images.resolve("1.png").toFile());
    String line = "train --arch mlp --data glyphs:train/20 --epochs 1 --out OUT --test " + test;
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            line.replace("OUT", path("vain.onnx"))
                .replace("IMAGES", images.getParent().toString())
                .split(" "));
    assertEquals(1, outcome.status());
    assertEquals(1, outcome.errors().size(), outcome.err());
    assertFalse(Files.exists(folder.resolve("vain.onnx")));
  }

  @Test
  void theNumberOfThreadsChangesNoBit() throws Exception {
    train("single.onnx", "1");
    assertArrayEquals(
        Files.readAllBytes(folder.resolve("model.onnx")),
        Files.readAllBytes(folder.resolve("single.onnx")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"--selection 8", "--held-out glyphs:test/300"})
  void theNumberOfThreadsChangesNoBitOfWhatForgot(String strength) throws Exception {
    for (String threads : new String[] {"1", "2"}) {
      String line =
          "unlearn --method ssd --model MODEL --data T --forget-class 3 --quiet --out OUT %s"
              .formatted(strength);
      String[] words =
          (line.replace("OUT", path(threads + ".onnx")) + " --threads " + threads)
              .replace("T ", TRAIN + " ")
              .replace("MODEL", path("model.onnx"))
              .split(" ");
      Nepenthe.Outcome outcome = Nepenthe.run(words);
      assertEquals(0, outcome.status(), outcome.err());
    }
    assertArrayEquals(
        Files.readAllBytes(folder.resolve("1.onnx")), Files.readAllBytes(folder.resolve("2.onnx")));
  }

  @Test
  void theFisherDiagonalHasTheNamesAndShapesOfTheFile() {
    JsonNode result =
        run(
            "fisher.json",
            "fisher",
            "--model",
            path("model.onnx"),
            "--data",
            TRAIN + "#0-199",
            "--out",
            path("fisher.safetensors"));
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.Contents contents = Safetensors.read(folder.resolve("fisher.safetensors"), arena);
      assertEquals(Shape.of(6, 1, 5, 5), contents.tensor("conv1.weight").shape());
      assertEquals(Shape.of(16, 6, 5, 5), contents.tensor("conv2.weight").shape());
      assertEquals(10, contents.tensors().size());
      double sum = 0;
      for (Tensor tensor : contents.tensors().values()) {
        for (long i = 0; i < tensor.elements(); i++) {
          assertTrue(tensor.get(i) >= 0);
          sum += tensor.get(i);
        }
      }
      double trace = result.get("trace").asDouble();
      assertEquals(trace, sum, 1e-6 * trace);
      assertEquals("200", contents.metadata().get("samples"));
    }
  }

  @Test
  void theMaskOfTheMostSalientWeightsTakesTheShareAskedFor() {
    JsonNode result =
        run(
            "mask.json",
            "saliency",
            "--model",
            path("model.onnx"),
            "--data",
            TRAIN + "#0-99",
            "--ratio",
            "0.25",
            "--out",
            path("mask.safetensors"));
    long quarter = result.get("parameters").asLong() / 4;
    assertEquals(quarter, result.get("selected").asLong());
    run(
        "saliency.json",
        "saliency",
        "--model",
        path("model.onnx"),
        "--data",
        TRAIN + "#0-99",
        "--out",
        path("saliency.safetensors"));
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.Contents mask = Safetensors.read(folder.resolve("mask.safetensors"), arena);
      Safetensors.Contents values = Safetensors.read(folder.resolve("saliency.safetensors"), arena);
      assertEquals(Shape.of(16, 6, 5, 5), mask.tensor("conv2.weight").shape());
      float least = Float.POSITIVE_INFINITY;
      float most = 0;
      long ones = 0;
      for (String name : mask.tensors().keySet()) {
        for (long i = 0; i < mask.tensor(name).elements(); i++) {
          if (mask.tensor(name).get(i) == 1) {
            ones++;
            least = Math.min(least, values.tensor(name).get(i));
          } else {
            most = Math.max(most, values.tensor(name).get(i));
          }
        }
      }
      assertEquals(quarter, ones);
      assertTrue(most <= least && least > 0, most + " > " + least);
    }
  }

  @Test
  void aClassIsForgottenAndTheOthersAreNot() throws Exception {
    JsonNode result =
        run(
            "forgot.json",
            "unlearn",
            "--method",
            "ssd",
            "--model",
            path("model.onnx"),
            "--data",
            TRAIN,
            "--forget-where",
            "label = 3 and not id >= 1000",
            "--selection",
            "8",
            "--test",
            TEST,
            "--out",
            path("forgot.onnx"));
    assertEquals(100, result.get("task").get("forget").asInt());
    JsonNode forgotten = result.at("/task/forgotten");
    Dataset threes =
        Datasets.ofClasses(DataSource.open(TRAIN + "#0-999", result.get("seed").asLong()), 3);
    assertEquals(
        LongStream.of(Datasets.ids(threes)).boxed().toList().toString(),
        forgotten.get("ids").toString().replace(",", ", "));
    Path list = folder.resolve("threes.txt");
    IdList.write(list, Datasets.ids(threes));
    assertEquals(Checksum.of(list), forgotten.get("idsSha256").asText());
    assertEquals("{\"3\":100}", forgotten.get("classes").toString());
    assertEquals(Datasets.sha256(threes), forgotten.get("sha256").asText());
    assertTrue(result.at("/versions/instructionSet").asText().startsWith("x86-64"));
    assertTrue(result.get("figures").get("selected").asLong() > 0);
    double was = result.get("before").get("forgetAccuracy").asDouble();
    double is = result.get("after").get("forgetAccuracy").asDouble();
    assertTrue(is < was - 0.3, was + " → " + is);
    assertEquals(
        trained.get("testAccuracy").asDouble(),
        result.get("before").get("testAccuracy").asDouble());
    JsonNode compared =
        run(
            "compare.json",
            "evaluate",
            "--model",
            path("forgot.onnx"),
            "--before",
            path("model.onnx"),
            "--data",
            TEST,
            "--train",
            TRAIN,
            "--forget-where",
            "label = 3 and id < 1000",
            "--target",
            "0");
    assertEquals(forgotten, compared.at("/task/forgotten"), "the same by another rule");
    assertEquals(is, compared.get("after").get("forgetAccuracy").asDouble());
    assertEquals(was, compared.get("before").get("forgetAccuracy").asDouble());
    assertTrue(compared.get("after").get("attackSuccessRate").asDouble() < 0.9);
    for (String when : List.of("before", "after")) {
      for (String attack : List.of("confidence", "entropyAttack", "lossAttack")) {
        double rate = result.at("/" + when + "/membershipInference/" + attack).asDouble(-1);
        assertEquals(compared.at("/" + when + "/membershipInference/" + attack).asDouble(), rate);
      }
    }
  }

  @Test
  void sharesOfAFewSamplesHaveIntervals() throws Exception {
    Path json = folder.resolve("few.json");
    String line =
        "unlearn --method ssd --selection 8 --model MODEL --data %s --forget-fraction 0.01"
            + " --test %s --json %s --out OUT";
    Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(TRAIN, TEST, json)));
    assertEquals(0, outcome.status(), outcome.err());
    Files.delete(folder.resolve("OUT"));
    JsonNode after = Nepenthe.json(json).get("after");
    JsonNode intervals = after.get("interval95");
    Map<String, Integer> shares =
        Map.of(
            "/unlearningAccuracy", 20,
            "/forgetAccuracy", 20,
            "/retainAccuracy", 1980,
            "/testAccuracy", 500,
            "/membershipInference/confidence", 20,
            "/membershipInference/entropyAttack", 20);
    shares.forEach(
        (share, samples) -> {
          Interval interval = Interval.wilson(after.at(share).asDouble(), samples);
          assertEquals(interval.low(), intervals.at(share).get("low").asDouble(), share);
          assertEquals(interval.high(), intervals.at(share).get("high").asDouble(), share);
          assertEquals(samples, intervals.at(share).get("samples").asInt(), share);
        });
    assertTrue(after.at("/membershipInference/lossAttack").isNumber());
    assertTrue(intervals.at("/membershipInference/lossAttack").isMissingNode(), "no share");
    assertBelow(outcome, "judged never seen", "  95 %, n = 20 ", after, "/confidence");
    assertFalse(below(outcome, "loss attack right").contains("95 %"), outcome.out());
  }

  /** The same model measured with test data that have the forgotten class, and that have not. */
  @Test
  void testDataOfAClassForgottenAltogetherAreApart() throws Exception {
    Path json = folder.resolve("apart.json");
    String forget =
        "unlearn --method ssd --selection 8 --model MODEL --data %s --forget-class 3 --test %s"
            + " --out OUT --json %s";
    Nepenthe.Outcome outcome = Nepenthe.here(words(forget.formatted(TRAIN, TEST, json)));
    assertEquals(0, outcome.status(), outcome.err());
    JsonNode unlearned = Nepenthe.json(json);
    String line =
        "evaluate --model MODEL --reference OUT --data %s --train %s --forget-where label=3"
            + " --json %s";
    outcome = Nepenthe.here(words(line.formatted(TEST, TRAIN, json)));
    assertEquals(0, outcome.status(), outcome.err());
    JsonNode whole = Nepenthe.json(json);
    assertEquals(unlearned.get("notes"), whole.get("notes"));
    unlearned
        .get("before")
        .properties()
        .forEach(it -> assertAlike(it.getValue(), whole.get("after").get(it.getKey())));
    assertEquals("[\"3\"]", whole.at("/task/forgotten/altogether").toString());
    String note = whole.at("/notes/0").asText();
    assertTrue(note.startsWith("Of class 3, forgotten altogether, the 50 test samples"), note);
    assertTrue(outcome.out().contains("note: " + note), outcome.out());
    assertTrue(outcome.out().contains("\n  forgotten class "), outcome.out());
    Dataset test = DataSource.open(TEST, whole.get("seed").asLong());
    Path ids = folder.resolve("kept.txt");
    IdList.write(ids, Datasets.ids(Datasets.ofClasses(test, 0, 1, 2, 4, 5, 6, 7, 8, 9)));
    outcome = Nepenthe.here(words(line.formatted(TEST + "#@" + ids, TRAIN, json)));
    assertEquals(0, outcome.status(), outcome.err());
    JsonNode without = Nepenthe.json(json);
    assertTrue(
        without.at("/notes/0").asText().startsWith("The test data have no sample of class 3"));
    for (String figure :
        List.of(
            "/testAccuracy",
            "/cleanAccuracy",
            "/membershipInference/confidence",
            "/membershipInference/trainingPrivacy",
            "/membershipInference/entropyAttack",
            "/toRetrained/kullbackLeiblerTest",
            "/interval95/testAccuracy")) {
      assertFalse(whole.at("/after" + figure).isMissingNode(), figure);
      assertEquals(without.at("/after" + figure), whole.at("/after" + figure), figure);
    }
    assertEquals(
        whole.at("/after/classes/3/accuracy"), whole.at("/after/forgottenClassTestAccuracy"));
    assertTrue(whole.at("/after/membershipInference/lossAttack").isNumber());
    for (String figure :
        List.of("/forgottenClassTestAccuracy", "/membershipInference/lossAttack")) {
      assertTrue(without.at("/after" + figure).isMissingNode(), figure);
    }
    Files.delete(folder.resolve("OUT"));
  }

  /** What the one has the other has too. */
  private static void assertAlike(JsonNode some, JsonNode all) {
    if (some.isObject()) {
      some.properties().forEach(it -> assertAlike(it.getValue(), all.get(it.getKey())));
    } else {
      assertEquals(some, all);
    }
  }

  @Test
  void shadowModelsTellAForgottenClassFromItsOwnTestData() throws Exception {
    Path json = folder.resolve("own.json");
    String line =
        "evaluate --model MODEL --data %s#0-99 --train %s#0-199 --forget-class 3 --shadows 1"
            + " --epochs 1 --quiet --json %s";
    Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(TEST, TRAIN, json)));
    assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
    JsonNode interval =
        Nepenthe.json(json).at("/after/interval95/membershipInference/likelihoodRatio");
    assertEquals("20 and 10", interval.get("samples") + " and " + interval.get("nonMembers"));
  }

  @Test
  void testDataOfNothingThatIsKeptAreRefused() throws Exception {
    Dataset test = DataSource.open(TEST, 1);
    Path ids = folder.resolve("class3.txt");
    IdList.write(ids, Datasets.ids(Datasets.ofClasses(test, 3)));
    for (String line :
        List.of(
            "evaluate --model MODEL --data %s#@%s --train %s --forget-class 3",
            "unlearn --method ssd --selection 8 --model MODEL --test %s#@%s --data %s"
                + " --forget-class 3 --out OUT")) {
      Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(TEST, ids, TRAIN)));
      assertEquals(1, outcome.status(), outcome.err());
      assertTrue(outcome.err().contains("found only class 3, forgotten altogether"), outcome.err());
    }
    assertFalse(Files.exists(folder.resolve("OUT")));
    IdList.write(ids, Datasets.ids(Datasets.ofClasses(test, 0, 1)));
    String line = "evaluate --model MODEL --data %s#@%s --train %s --forget-class 3 --shadows 1";
    Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(TEST, ids, TRAIN)));
    assertEquals(1, outcome.status(), outcome.err());
    assertTrue(outcome.err().contains("for --shadows, found none"), outcome.err());
  }

  /** Without test data the held-out data are what was never seen; those that chose it are said. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ssd | --held-out glyphs:test/300 | heldOut | false",
        "fine-tune | --held-out glyphs:test/300 | heldOut | true",
        "ssd | --held-out glyphs:test/300 --test glyphs:test/300 | test | false",
        "ssd | --held-out glyphs:test/100 --test glyphs:test/300 | test | false",
        "ssd | --held-out glyphs:test/100 --test glyphs:test/400#100-399 | test | true"
      })
  void heldOutDataStandForWhatWasNeverSeen(
      String method, String options, String data, boolean independent) throws Exception {
    Path json = folder.resolve("heldOut.json");
    String line =
        "unlearn --method %s --model MODEL --data %s#0-299 --forget-fraction 0.1 --epochs 1 %s"
            + " --out OUT --json %s";
    Nepenthe.Outcome outcome =
        Nepenthe.here(words(line.formatted(method, TRAIN, options.strip(), json)));
    assertEquals(0, outcome.status(), outcome.err());
    JsonNode result = Nepenthe.json(json);
    JsonNode told = result.at("/task/nonMembers");
    assertEquals(data, told.get("data").asText());
    assertEquals(300, told.get("samples").asInt());
    assertEquals(independent, told.get("independent").asBoolean());
    String notes = result.get("notes").toString();
    assertEquals(data.equals("heldOut"), notes.contains("the 300 held-out samples stand"), notes);
    String choice = data.equals("heldOut") ? method + " chose by the " : "by which methods choose";
    assertEquals(!independent, notes.contains(choice), notes);
    assertFalse(notes.contains("wrong labels"), "there is nothing to be healed of");
    assertFalse(outcome.out().contains("verdict"), outcome.out());
    result.get("notes").forEach(it -> assertTrue(outcome.out().contains("note: " + it.asText())));
    JsonNode after = result.get("after");
    assertEquals(data.equals("test"), after.has("testAccuracy"), "which held-out data do not tell");
    line =
        "evaluate --model OUT --data %s --train %s#0-299 --forget-fraction 0.1 --quiet --json %s";
    String seen = options.strip().substring(options.strip().lastIndexOf(' ') + 1);
    assertEquals(0, Nepenthe.here(words(line.formatted(seen, TRAIN, json))).status());
    assertAlike(
        after.get("membershipInference"), Nepenthe.json(json).at("/after/membershipInference"));
    assertTrue(after.at("/membershipInference/lossAttack").isNumber());
    Files.delete(folder.resolve("OUT"));
  }

  private static void assertBelow(
      Nepenthe.Outcome outcome, String line, String start, JsonNode metrics, String attack) {
    String interval = Intervals.text(metrics, "/membershipInference" + attack).orElseThrow();
    String below = below(outcome, line);
    assertTrue(below.startsWith(start) && below.endsWith(" " + interval), outcome.out());
  }

  /** The line below the one that starts so. */
  private static String below(Nepenthe.Outcome outcome, String start) {
    return outcome
        .out()
        .lines()
        .dropWhile(line -> !line.startsWith(start))
        .skip(1)
        .findFirst()
        .orElse("");
  }

  @Test
  void whatIsStillKnownIsMeasured() throws Exception {
    String line =
        "evaluate --model MODEL --before MODEL --reference MODEL --data %s --train %s"
            + " --forget-class 3 --report %s --json %s";
    Path page = folder.resolve("evaluate.html");
    Path json = folder.resolve("known.json");
    Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(TEST, TRAIN, page, json)));
    assertEquals(0, outcome.status(), outcome.err());
    assertTrue(outcome.out().matches("(?s).*\nrelearned, rounds +– +1 +1\n.*"), outcome.out());
    JsonNode result = Nepenthe.json(json);
    JsonNode after = result.get("after");
    JsonNode member = after.get("membershipInference");
    assertEquals(9, member.size(), member.toString());
    member.forEach(rate -> assertTrue(rate.asDouble() >= 0 && rate.asDouble() <= 1, "a rate"));
    assertEquals(member, result.get("reference").get("membershipInference"), "the same model");
    after.get("toRetrained").forEach(far -> assertEquals(0, far.asDouble(), 1e-9));
    assertEquals(1, after.get("relearnTime").asInt(), "nothing was forgotten");
    assertEquals(0, after.get("averageGap").asDouble());
    assertEquals(0, after.get("gap").get("membershipInference").get("confidence").asDouble());
    JsonNode alike = after.get("layerSimilarity");
    assertEquals(1, alike.get("fc3").asDouble(), 1e-9, alike.toString());
    String text = Files.readString(page);
    assertTrue(text.contains("Judged never seen") && text.contains("Trained anew"));
    assertTrue(text.contains("†: the 95 % interval") && text.contains(">n = 200<"), "few samples");
  }

  @Test
  void shadowModelsAndConfusedClassesAreMeasuredWhereAskedFor() throws Exception {
    Path json = folder.resolve("shadows.json");
    String line =
        "evaluate --model MODEL --data %s#0-199 --train %s#0-299 --forget-fraction 0.1 --seed 3"
            + " --shadows 1 --epochs 1 --confused 3,5 --json %s";
    Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(TEST, TRAIN, json)));
    assertEquals(0, outcome.status(), outcome.err());
    JsonNode after = Nepenthe.json(json).get("after");
    double area = after.at("/membershipInference/likelihoodRatio").asDouble(-1);
    assertTrue(area >= 0 && area <= 1, after.toString());
    assertTrue(after.at("/membershipInference/likelihoodRatioAtOnePercent").isNumber());
    JsonNode intervals = after.get("interval95");
    JsonNode interval = intervals.at("/membershipInference/likelihoodRatio");
    assertTrue(interval.get("low").asDouble() < area && area < interval.get("high").asDouble());
    assertEquals("30 and 200", interval.get("samples") + " and " + interval.get("nonMembers"));
    assertTrue(intervals.at("/membershipInference/likelihoodRatioAtOnePercent").isMissingNode());
    assertEquals(40, intervals.at("/interclassConfusionError/samples").asInt());
    assertBelow(outcome, "likelihood ratio", "  95 %, n = 30, 200", after, "/likelihoodRatio");
    JsonNode counts = after.get("confusion");
    assertEquals(
        counts.at("/3/5").asLong() + counts.at("/5/3").asLong(),
        after.get("confusionScore").asLong());
    double wrong = 0;
    double all = 0;
    for (int label : new int[] {3, 5}) {
      for (int answer = 0; answer < 10; answer++) {
        long count = counts.get(label).get(answer).asLong();
        all += count;
        wrong += answer == label ? 0 : count;
      }
    }
    assertEquals(wrong / all, after.get("interclassConfusionError").asDouble(), 1e-12);
  }

  @Test
  void anEnormousStrengthChangesNothing() throws Exception {
    JsonNode result =
        run(
            "same.json",
            "unlearn",
            "--method",
            "ssd",
            "--model",
            path("model.onnx"),
            "--data",
            TRAIN,
            "--forget-class",
            "3",
            "--selection",
            "1e30",
            "--out",
            path("same.onnx"));
    assertEquals(0, result.get("figures").get("selected").asLong());
    assertArrayEquals(
        Files.readAllBytes(folder.resolve("model.onnx")),
        Files.readAllBytes(folder.resolve("same.onnx")));
  }

  @ParameterizedTest
  @MethodSource("methods")
  void everyMethodForgetsByItsName(String method) throws Exception {
    String line =
        "unlearn --model MODEL --data %s#0-299 --forget-class 3 --held-out glyphs:test/100"
            + " --epochs 1 --quiet --method %s --json %s --out OUT";
    Path json = folder.resolve(method + ".json");
    Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(TRAIN, method, json)));
    assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
    JsonNode result = Nepenthe.json(json);
    assertEquals(30, result.get("task").get("forget").asInt());
    assertTrue(result.get("after").get("retainAccuracy").asDouble() > 0, result.toString());
    assertTrue(result.get("settings").isObject());
    assertTrue(Files.deleteIfExists(folder.resolve("OUT")));
  }

  static Stream<String> methods() {
    return Methods.all().stream().map(Methods.Entry::name);
  }

  @Test
  void aRuinedModelIsNotWritten() throws Exception {
    String line =
        "unlearn --method %s --model MODEL --data %s#0-299 --forget-class 3 --out OUT --set"
            + " learningRate=1e30";
    for (String method : List.of("gradient-ascent", "salun")) {
      Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(method, TRAIN)));
      assertEquals(1, outcome.status(), outcome.out());
      String last = outcome.err().strip().lines().reduce((a, b) -> b).orElseThrow();
      assertTrue(last.contains(method + ": the weights are no longer finite"), outcome.err());
      assertFalse(Files.exists(folder.resolve("OUT")));
    }
    String train =
        "train --arch mlp --width 8 --data %s#0-99 --optimiser sgd --rate 1e30 --epochs 1 --out OUT";
    Nepenthe.Outcome outcome = Nepenthe.here(words(train.formatted(TRAIN)));
    assertEquals(1, outcome.status(), outcome.out());
    assertTrue(outcome.err().contains("train: the weights are no longer finite"), outcome.err());
    assertTrue(outcome.err().contains("--rate"), outcome.err());
    assertFalse(Files.exists(folder.resolve("OUT")));
  }

  @Test
  void classesOfOtherNamesAreRefused() throws Exception {
    Path train = folder.resolve("animals.csv");
    Path test = folder.resolve("fewer.csv");
    Files.writeString(train, "cat,0,255,0,9\ndog,255,0,0,9\nfrog,0,0,255,9\n");
    Files.writeString(test, "dog,255,0,0,9\nfrog,0,0,255,9\n");
    String fit = "train --arch mlp --width 4 --epochs 1 --data csv:%s --out OUT --quiet";
    assertEquals(0, Nepenthe.here(words(fit.formatted(train))).status());
    String line = "evaluate --model OUT --data csv:%s --quiet";
    assertEquals(0, Nepenthe.here(words(line.formatted(train))).status());
    // There dog is class 0, which the model takes for a cat.
    Nepenthe.Outcome outcome = Nepenthe.here(words(line.formatted(test)));
    assertEquals(1, outcome.status(), outcome.err());
    assertTrue(outcome.err().contains("cat, dog, frog"), outcome.err());
    assertTrue(Files.deleteIfExists(folder.resolve("OUT")));
  }

  @Test
  void trainingAnewLeavesOutWhatItIsTold() throws Exception {
    Files.writeString(folder.resolve("ids.txt"), "5\n17\n1999\n");
    JsonNode result =
        run(
            "anew.json",
            "train",
            "--arch",
            "mlp",
            "--width",
            "16",
            "--data",
            TRAIN,
            "--without",
            path("ids.txt"),
            "--epochs",
            "1",
            "--out",
            path("anew.onnx"));
    assertEquals(1, result.get("inputs").size());
    assertNotEquals(0, Files.size(folder.resolve("anew.onnx")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "train --arch lenet --data glyphs:train/50 --epochs 1 --out OUT --batch-size ",
        "unlearn --method fine-tune --model MODEL --data glyphs:train/50 --forget-class 3 --set"
            + " epochs=1 --out OUT --set batchSize="
      })
  void aBatchLargerThanTheDataIsTheWholeData(String line) throws Exception {
    assertEquals(0, Nepenthe.here(words(line + "50")).status());
    byte[] whole = Files.readAllBytes(folder.resolve("OUT"));
    Nepenthe.Outcome outcome = Nepenthe.here(words(line + Integer.MAX_VALUE));
    assertEquals(0, outcome.status(), outcome.err());
    assertArrayEquals(whole, Files.readAllBytes(folder.resolve("OUT")));
    Files.delete(folder.resolve("OUT"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "evaluate --model MODEL --data glyphs:test --train glyphs:train",
        "unlearn --method magic --model MODEL --data T --forget-class 1 --selection 2 --out OUT",
        "unlearn --method ssd --model MODEL --data T --forget-class 1 --out OUT",
        "unlearn --method ssd-fine-tune --model MODEL --data T --forget-class 1 --out OUT",
        "unlearn --method scrub-r --model MODEL --data T --forget-class 1 --out OUT",
        "unlearn --method ssd --model MODEL --data T --selection -1 --forget-class 1 --out OUT",
        "train --arch lenet --model MODEL --data T --out OUT",
        "train --arch lenet --epochs 0 --data T --out OUT",
        "unlearn --method ssd --selection 1 --set x=1 --model MODEL --data T --forget-class 1 --out OUT",
        "unlearn --method salun --selection 1 --model MODEL --data T --forget-class 1 --out OUT",
        "saliency --model MODEL --data T --ratio 2 --out OUT",
        "evaluate --model MODEL --data T --report OUT",
        "evaluate --model MODEL --data T --reference MODEL --report OUT",
        "evaluate --model MODEL --data T --train T --forget-class 1 --report OUT",
        "evaluate --model MODEL --data glyphs:test/50 --confused 3,10",
        "evaluate --model MODEL --data glyphs:test/50 --shadows 1",
        "unlearn --method retrain --model MODEL --data T --forget-fraction 1 --out OUT",
        "unlearn --method retrain --model MODEL --data T --forget-fraction .1 --forget-class 1 --out OUT",
        "unlearn --method retrain --model MODEL --data T --forget-class 1 --report OUT --out OUT",
        "fisher --labels none --model MODEL --data T --out OUT",
        "detect --model MODEL --data T --affected glyphs:test#0-0 --transforms 10001 --out OUT"
      })
  void wrongUsageIsTwoAndWritesNothing(String line) {
    Nepenthe.Outcome outcome = Nepenthe.here(words(line));
    assertEquals(2, outcome.status(), outcome.err());
    assertFalse(Files.exists(folder.resolve("OUT")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "evaluate --model nowhere.onnx --data glyphs:test",
        "evaluate --model DAMAGED --data glyphs:test",
        "evaluate --model MODEL --data nothing:x",
        "evaluate --model MODEL --data csv:COLOUR",
        "train --arch lenet --data glyphs:train --out DAMAGED/x",
        "unlearn --method ssd --model MODEL --data T --forget IDS --selection 2 --out OUT",
        "unlearn --method ssd --model MODEL --data T --forget-class 10 --selection 2 --out OUT",
        "train --arch resnet9 --width 1000000 --data glyphs:train/50 --out OUT"
      })
  void badInputIsOneAndOneLineAndWritesNothing(String line) throws Exception {
    Files.writeString(folder.resolve("DAMAGED"), "no model");
    Files.writeString(folder.resolve("IDS"), "1\n123456\n");
    Files.writeString(folder.resolve("COLOUR"), "1,0,0,0\n");
    Nepenthe.Outcome outcome = Nepenthe.here(words(line));
    assertEquals(1, outcome.status(), outcome.err());
    List<String> complaints =
        outcome.errors().stream().filter(one -> one.startsWith("nepenthe ")).toList();
    assertEquals(1, complaints.size(), outcome.err());
    assertFalse(outcome.err().contains("should not have happened"), outcome.err());
    assertFalse(outcome.err().contains("\tat "), outcome.err());
    assertFalse(Files.exists(folder.resolve("OUT")));
  }

  private static String[] words(String line) {
    return line.replace("MODEL", path("model.onnx"))
        .replace("DAMAGED", path("DAMAGED"))
        .replace("COLOUR", path("COLOUR"))
        .replace("IDS", path("IDS"))
        .replace("OUT", path("OUT"))
        .replace("--data T ", "--data " + TRAIN + " ")
        .split(" ");
  }
}
