package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The main job on real digits, where {@code NEPENTHE_DATA} has them; about 40 s on two cores. */
class MnistTest {
  /** Enough for 98.5 %, and a third quicker than all 60,000. */
  private static final String TRAINING = "#0-39999";

  private static final String TRUSTED = "#58000-59999";

  @TempDir Path folder;

  private static String train;
  private static String test;

  @BeforeAll
  static void findData() {
    String data = System.getenv("NEPENTHE_DATA");
    assumeTrue(data != null, "NEPENTHE_DATA names no folder with data sets");
    Path mnist = Path.of(data, "mnist");
    assumeTrue(Files.isDirectory(mnist), mnist + " is no folder");
    train = "idx:" + mnist.resolve("train-images-idx3-ubyte.gz");
    test = "idx:" + mnist.resolve("t10k-images-idx3-ubyte.gz");
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private JsonNode run(List<String> command, String... more) {
    Path json = folder.resolve("result.json");
    Nepenthe.Outcome outcome =
        Nepenthe.run(
            Stream.of(command.stream(), Stream.of(more), Stream.of("--json", json.toString()))
                .flatMap(words -> words)
                .toArray(String[]::new));
    assertEquals(0, outcome.status(), outcome.err());
    return Nepenthe.json(json);
  }

  private void train(String out, String... more) {
    run(
        Stream.concat(
                Stream.of("train", "--arch", "lenet", "--data", poisoned(), "--out", path(out)),
                Stream.of("--epochs", "3", "--rate", "0.002"))
            .toList(),
        more);
  }

  private String poisoned() {
    return "npz:" + path("poisoned/data.npz");
  }

  @Test
  void aTenthOfThePoisonIsEnoughToForgetAllOfIt() {
    List<String> poison = List.of("data", "poison", "--data", train + TRAINING);
    run(poison, "--kind", "badnets", "--target", "0", "--out", path("poisoned"));
    train("before.onnx");
    JsonNode unlearned =
        run(
            List.of("unlearn", "--method", "ssd", "--data", poisoned(), "--test", test),
            "--model",
            path("before.onnx"),
            "--forget",
            path("poisoned/known.txt"),
            "--held-out",
            train + TRUSTED,
            "--target",
            "0",
            "--out",
            path("after.onnx"));
    assertEquals(80, unlearned.get("task").get("forget").asInt(), "a tenth of 2 % of 40,000");
    JsonNode before = unlearned.get("before");
    JsonNode after = unlearned.get("after");
    assertTrue(rate(before, "testAccuracy") >= 0.985, before.toString());
    assertTrue(rate(before, "attackSuccessRate") >= 0.95, before.toString());
    assertTrue(rate(after, "attackSuccessRate") <= 0.10, after.toString());
    assertTrue(
        rate(after, "testAccuracy") >= rate(before, "testAccuracy") - 0.02, unlearned.toString());

    train("retrained.onnx", "--without", path("poisoned/known.txt"));
    JsonNode retrained =
        run(
            List.of("evaluate", "--data", test, "--target", "0"),
            "--model",
            path("retrained.onnx"));
    assertTrue(rate(retrained.get("after"), "attackSuccessRate") >= 0.50, retrained.toString());
  }

  private static double rate(JsonNode measured, String name) {
    return measured.get(name).asDouble(Double.NaN);
  }
}
