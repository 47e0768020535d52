package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What somebody reads who must know whether data were removed: nothing that is not so. */
class EvidenceTest {
  private static final String DATA = " --data glyphs:train/300";

  @TempDir static Path folder;

  @BeforeAll
  static void train() {
    Nepenthe.Outcome outcome =
        Nepenthe.here(words("train --arch mlp --width 16 --epochs 2 --quiet --out MODEL" + DATA));
    assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
  }

  private static String path(String name) {
    return folder.resolve(name).toString();
  }

  private static String[] words(String line) {
    return line.replace("MODEL", path("model.onnx"))
        .replace("AFTER", path("after.onnx"))
        .replace("IDS", path("ids.txt"))
        .replace("JSON", path("result.json"))
        .replace("PAGE", path("report.html"))
        .replace("FOLDER", path("comparison"))
        .split(" ");
  }

  private static void forget(IntStream ids) throws Exception {
    Files.writeString(
        folder.resolve("ids.txt"), ids.mapToObj(id -> id + "\n").collect(Collectors.joining()));
  }

  private static JsonNode result() {
    return Nepenthe.json(folder.resolve("result.json"));
  }

  /** The notes are the same in the result, on the terminal and in the report. */
  private static List<String> notes(Nepenthe.Outcome outcome, Path json, Path page)
      throws Exception {
    assertEquals(0, outcome.status(), outcome.err());
    List<String> notes =
        Nepenthe.json(json).get("notes").valueStream().map(JsonNode::asText).toList();
    String report = Files.readString(page);
    for (String note : notes) {
      assertTrue(outcome.out().contains("note: " + note + "\n"), outcome.out());
      assertTrue(report.contains(Template.escape(note) + "."), note);
    }
    assertFalse(Files.readString(json).contains("NaN"), "what is no number is no figure");
    return notes;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 9, 10})
  void whyThereIsNoLossAttackIsSaidEverywhere(int count) throws Exception {
    forget(IntStream.range(0, count).map(i -> 10 * i + 3));
    String task = DATA + " --forget IDS";
    Path page = folder.resolve("report.html");
    Path json = folder.resolve("result.json");
    String unlearn =
        "unlearn --method fine-tune --set epochs=1 --model MODEL --test glyphs:test/200 --out AFTER"
            + " --json JSON --report PAGE";
    String evaluate =
        "evaluate --model AFTER --before MODEL --json JSON --report PAGE"
            + task.replace("--data", "--train")
            + " --data glyphs:test/200";
    String compare =
        "compare --arch mlp --width 4 --epochs 1 --seeds 1 --methods fine-tune --out FOLDER"
            + " --test glyphs:test/200";
    Path out = folder.resolve("comparison");
    for (List<String> notes :
        List.of(
            notes(Nepenthe.here(words(unlearn + task)), json, page),
            notes(Nepenthe.here(words(evaluate)), json, page),
            notes(
                Nepenthe.here(words(compare + task)),
                out.resolve("result.json"),
                out.resolve("report.html")))) {
      assertEquals(
          count < 10,
          notes.contains(
              "There is no loss attack: it needs 10 of the forgotten and 10 test samples of their"
                  + " classes, found %d and 20".formatted(count)),
          notes.toString());
    }
    assertEquals(count >= 10, result().at("/after/membershipInference/lossAttack").isNumber());
  }

  @Test
  void testDataThatWereTrainedOnAreSaidToBe() throws Exception {
    forget(IntStream.range(0, 20));
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            words(
                "evaluate --model MODEL --before MODEL --data glyphs:train/300#10-29"
                    + " --train glyphs:train/300 --forget IDS --json JSON --report PAGE"));
    List<String> notes =
        notes(outcome, folder.resolve("result.json"), folder.resolve("report.html"));
    assertTrue(
        notes.contains(
            "10 of the 20 test samples are, pixel for pixel, among the forgotten: they are no"
                + " samples never seen"),
        notes.toString());
    assertTrue(
        notes.contains(
            "10 of the 20 test samples are, pixel for pixel, among those that are trained on: they"
                + " are no samples never seen"),
        notes.toString());
  }

  /** The page leaves the machine that it was made on: files are told by their checksums. */
  @Test
  void aReportSaysWhichFilesItIsAboutAndWhereItsFiguresAre() throws Exception {
    forget(IntStream.range(0, 20));
    String line =
        "unlearn --method fine-tune --set epochs=1 --model MODEL --test glyphs:test/200 --out AFTER"
            + " --forget IDS --report PAGE"
            + DATA;
    assertEquals(0, Nepenthe.here(words(line)).status());
    String page = Files.readString(folder.resolve("report.html"));
    for (String file : List.of("model.onnx", "ids.txt", "after.onnx")) {
      assertTrue(
          page.contains("%s, SHA-256 %s.".formatted(path(file), Checksum.of(folder.resolve(file)))),
          file);
    }
    assertFalse(page.contains("is in result.json"), "there is none");
    assertTrue(page.contains("would be in the file that --json names"));
    assertEquals(0, Nepenthe.here(words(line + " --json JSON")).status());
    assertTrue(
        Files.readString(folder.resolve("report.html")).contains("setting is in result.json."));
  }

  /** Same models have same figures, which prove nothing. */
  @Test
  void aModelThatIsTheOneBeforeIsSaidToBe() throws Exception {
    forget(IntStream.range(0, 20));
    String unlearn =
        "unlearn --method ssd --selection 1e30 --model MODEL --test glyphs:test/200 --out AFTER"
            + " --forget IDS --json JSON --report PAGE"
            + DATA;
    Path json = folder.resolve("result.json");
    Path page = folder.resolve("report.html");
    List<String> notes = notes(Nepenthe.here(words(unlearn)), json, page);
    String same = "ssd changed no weight: the model is the one before, to the bit";
    assertTrue(notes.contains(same), notes.toString());
    notes = notes(Nepenthe.here(words(unlearn.replace("1e30", "8"))), json, page);
    assertFalse(notes.contains(same), notes.toString());
    String evaluate =
        "evaluate --model MODEL --before MODEL --reference MODEL --train glyphs:train/300"
            + " --forget IDS --data glyphs:test/200 --json JSON --report PAGE";
    notes = notes(Nepenthe.here(words(evaluate)), json, page);
    assertTrue(notes.toString().contains("The model is the one before, to the bit: it forgot"));
    assertTrue(notes.toString().contains("The model is the one trained anew, to the bit"));
    assertFalse(Files.readString(page).contains("A model that was made to forget"));
  }

  /** Two forgotten samples prove nothing; a class that one model knows and the other does not. */
  @ParameterizedTest
  @CsvSource({"id < 2,true", "label = 3,false"})
  void whereEvenTrainingAnewCannotBeToldFromTheModelBeforeThatIsSaid(String where, boolean said)
      throws Exception {
    String note = "In no figure of the forgotten are the 95 % intervals of the model before";
    Path out = folder.resolve("telling-" + said);
    List<String> line =
        new ArrayList<>(
            List.of(
                words(
                    "compare --arch mlp --width 16 --epochs 2 --seeds 1 --methods fine-tune --out "
                        + out
                        + " --test glyphs:test/200 --forget-where"
                        + DATA)));
    line.add(line.indexOf("--forget-where") + 1, where);
    List<String> notes =
        notes(
            Nepenthe.here(line.toArray(String[]::new)),
            out.resolve("result.json"),
            out.resolve("report.html"));
    assertEquals(said, notes.toString().contains(note), notes.toString());
    List<String> evaluate =
        new ArrayList<>(
            List.of(
                words(
                    "evaluate --model %s --before %s --reference %s --data glyphs:test/200"
                            .formatted(
                                out.resolve("seed-1/fine-tune.onnx"),
                                out.resolve("seed-1/before.onnx"),
                                out.resolve("seed-1/retrain.onnx"))
                        + " --train glyphs:train/300 --json JSON --report PAGE --forget-where")));
    evaluate.add(where);
    notes =
        notes(
            Nepenthe.here(evaluate.toArray(String[]::new)),
            folder.resolve("result.json"),
            folder.resolve("report.html"));
    assertEquals(said, notes.toString().contains(note), notes.toString());
  }

  @Test
  void withoutTestDataNothingIsAskedForThatTheyAreMeasuredOn() {
    for (String option : List.of("--target 0", "--confused 3,5")) {
      Nepenthe.Outcome outcome =
          Nepenthe.here(
              words(
                  "unlearn --method fine-tune --model MODEL --out AFTER --forget-class 3 "
                      + option
                      + DATA));
      assertEquals(2, outcome.status(), outcome.err());
      assertTrue(outcome.err().contains("measured on --test, which is missing"), outcome.err());
    }
  }
}
