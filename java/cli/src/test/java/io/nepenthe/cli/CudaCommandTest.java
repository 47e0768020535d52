package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.nepenthe.data.Safetensors;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Parameters;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands on an emulated CUDA device give the processor's results, and say what they ran on. */
class CudaCommandTest {
  /** What architecture allows a statistic to be off by. */
  private static final double BOUND = 1e-5;

  /** The damping is a tenth of the mean eigenvalue, so the inverse makes a gradient's tenfold. */
  private static final double SCORE_BOUND = 10 * BOUND;

  /** Of a training with 500 images, 32 a step. */
  private static final int STEPS = 16;

  /** 100 test images, of which a tenth is of the class that the backdoor gives. */
  private static final double ONE_OF_90 = 1.0 / 90 + BOUND;

  /** The emulator's checks take minutes here; the kernels' own tests have them. */
  private static final String UNCHECKED = "nepenthe.cuda.emulated.checks";

  @TempDir Path folder;

  @AfterEach
  void stopEmulating() {
    System.clearProperty(Device.Cuda.PROPERTY);
    System.clearProperty(UNCHECKED);
  }

  private Nepenthe.Outcome train(String device, Path json) {
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            List.of(
                    "train",
                    "--data=glyphs:train#0-39",
                    "--arch=mlp",
                    "--width=8",
                    "--epochs=1",
                    "--batch-size=16",
                    "--device=" + device,
                    "--out=" + folder.resolve("model.onnx"),
                    "--json=" + json)
                .toArray(String[]::new));
    assertEquals(0, outcome.status(), outcome.err());
    return outcome;
  }

  private JsonNode train(String device) {
    Path json = folder.resolve("train.json");
    train(device, json);
    return Nepenthe.json(json);
  }

  @Test
  void trainingGivesTheProcessorsLoss() {
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    JsonNode want = train("cpu");
    JsonNode got = train("cuda");
    assertEquals("cpu", want.get("device").asText());
    assertEquals("cuda:0", got.get("device").asText());
    double loss = want.get("epochs").get(0).get("loss").asDouble();
    assertTrue(loss > 0);
    assertEquals(loss, got.get("epochs").get(0).get("loss").asDouble(), BOUND * loss);
  }

  private void run(String... arguments) {
    Nepenthe.Outcome outcome = Nepenthe.here(arguments);
    assertEquals(0, outcome.status(), outcome.err());
  }

  /** By a device's own factors and by the processor's. */
  @Test
  void factorsAndInfluenceGiveTheProcessorsValues() {
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    System.setProperty(UNCHECKED, "false");
    train("cpu");
    String model = "--model=" + folder.resolve("model.onnx");
    String data = "--data=glyphs:train#0-19";
    for (String device : List.of("cpu", "cuda")) {
      String on = "--device=" + device;
      String factors = folder.resolve(device).toString();
      String stages = "--stages=" + folder.resolve("stages-" + device);
      run("factors", model, data, "--fisher=true", on, "--out=" + factors);
      String read = "--factors=" + factors;
      run("influence", model, read, data, "--queries=glyphs:test#0-1", stages, on);
      run("influence", model, read, data, stages, on);
    }
    assertSameScores("pairwise_scores");
    assertSameScores("self_scores");
  }

  /** Of the stages' files, which name no device: partitions of either merge. */
  private void assertSameScores(String stage) {
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.Contents cpu = stage("cpu", stage, arena);
      Safetensors.Contents cuda = stage("cuda", stage, arena);
      assertEquals(cpu.metadata(), cuda.metadata());
      float[] want = cpu.tensor(ScoreFile.ALL).toArray();
      float[] got = cuda.tensor(ScoreFile.ALL).toArray();
      float largest = 0;
      for (float value : want) {
        largest = Math.max(largest, Math.abs(value));
      }
      assertTrue(largest > 0);
      for (int i = 0; i < want.length; i++) {
        assertEquals(want[i], got[i], SCORE_BOUND * largest, stage + " " + i);
      }
    }
  }

  private Safetensors.Contents stage(String device, String stage, Arena arena) {
    return Safetensors.read(
        folder.resolve("stages-" + device).resolve(stage + ".safetensors"), arena);
  }

  private JsonNode demo(String device) {
    Path out = folder.resolve(device);
    String on = "--device=" + device;
    run(
        "demo",
        "--train=500",
        "--test=100",
        "--epochs=1",
        "--seed=4",
        "--quiet",
        on,
        "--out=" + out);
    return Nepenthe.json(out.resolve("result.json"));
  }

  @Test
  void theDemonstrationGivesTheProcessorsResult() {
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    System.setProperty(UNCHECKED, "false");
    JsonNode want = demo("cpu");
    JsonNode got = demo("cuda");
    assertEquals("cuda:0", got.get("device").asText());
    assertRates(want.get("before"), got.get("before"));
    for (int method = 0; method < 2; method++) {
      assertRates(want.get("methods").get(method), got.get("methods").get(method));
    }
    JsonNode cpu = want.get("methods").get(0);
    JsonNode cuda = got.get("methods").get(0);
    double factor = cpu.get("setting").get("factor").asDouble();
    assertEquals(factor, cuda.get("setting").get("factor").asDouble(), STEPS * BOUND * factor);
    assertTrue(cpu.get("selected").asLong() > 0);
    assertEquals(
        cpu.get("selected").asDouble(),
        cuda.get("selected").asDouble(),
        STEPS * BOUND * cpu.get("selected").asDouble());
    for (String model : List.of("before", "ssd", "retrain")) {
      double off = distance(folder.resolve("cpu"), folder.resolve("cuda"), model + ".onnx");
      assertTrue(off <= STEPS * BOUND, model + " is off by " + off);
    }
  }

  /** An image whose two largest outputs are as good as equal may go either way. */
  private static void assertRates(JsonNode want, JsonNode got) {
    for (String rate : List.of("cleanAccuracy", "attackSuccessRate", "retainAccuracy")) {
      assertEquals(want.get(rate).asDouble(), got.get(rate).asDouble(), ONE_OF_90, rate);
    }
  }

  /** Of all weights, relative to their norm. */
  private static double distance(Path want, Path got, String file) {
    double squares = 0;
    double all = 0;
    try (ModelFile a = ModelFile.read(want.resolve(file));
        ModelFile b = ModelFile.read(got.resolve(file))) {
      for (Parameters.Parameter parameter : a.model().parameters().all()) {
        String name = parameter.spec().name();
        float[] values = parameter.value().toArray();
        float[] others = b.model().parameters().get(name).value().toArray();
        for (int i = 0; i < values.length; i++) {
          squares += Math.pow((double) values[i] - others[i], 2);
          all += (double) values[i] * values[i];
        }
      }
    }
    return Math.sqrt(squares / all);
  }

  @Test
  void autoSaysInOneLineWhyItRunsOnTheProcessor() {
    System.setProperty(Device.Cuda.PROPERTY, "off");
    Nepenthe.Outcome outcome = train("auto", folder.resolve("auto.json"));
    assertTrue(
        outcome.err().contains("running on the processor: -Dnepenthe.cuda=off"), outcome.err());
    assertFalse(outcome.out().contains("running on"), outcome.out());
    outcome = Nepenthe.here("doctor", "--device", "cuda");
    assertEquals(1, outcome.status());
    assertEquals(
        List.of("nepenthe doctor: --device cuda: -Dnepenthe.cuda=off; remedy: " + Cuda.REMEDY),
        outcome.errors());
    System.setProperty(Device.Cuda.PROPERTY, "maybe");
    outcome = Nepenthe.here("doctor", "--device", "cuda");
    assertTrue(outcome.err().contains("expected real, emulated or off"), outcome.err());
  }

  @Test
  void doctorShowsTheDevice() {
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    Nepenthe.Outcome outcome = Nepenthe.here("doctor", "--device", "cuda");
    assertEquals(0, outcome.status(), outcome.err());
    assertTrue(outcome.out().contains("emulated CUDA device"), outcome.out());
    assertTrue(outcome.out().contains("oneDNN"), outcome.out());
  }
}
