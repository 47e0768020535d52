package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.nepenthe.data.Safetensors;
import io.nepenthe.kernel.Device;
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

  @TempDir Path folder;

  @AfterEach
  void stopEmulating() {
    System.clearProperty(Device.Cuda.PROPERTY);
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

  /**
   * By the processor's factors on both: factors on a device are in CudaInfluenceTest, since the
   * emulator takes minutes for those of a glyph's 784 inputs.
   */
  @Test
  void influenceGivesTheProcessorsValues() {
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    train("cpu");
    String model = "--model=" + folder.resolve("model.onnx");
    String data = "--data=glyphs:train#0-19";
    String factors = folder.resolve("factors").toString();
    run("factors", model, data, "--fisher=true", "--device=cpu", "--out=" + factors);
    for (String device : List.of("cpu", "cuda")) {
      String scores = "--out=" + folder.resolve(device + ".safetensors");
      String queries = "--queries=glyphs:test#0-1";
      run("influence", model, "--factors=" + factors, data, queries, scores, "--device=" + device);
    }
    try (Arena arena = Arena.ofConfined()) {
      float[] want = scores("cpu", arena);
      float[] got = scores("cuda", arena);
      float largest = 0;
      for (float value : want) {
        largest = Math.max(largest, Math.abs(value));
      }
      assertTrue(largest > 0);
      for (int i = 0; i < want.length; i++) {
        assertEquals(want[i], got[i], SCORE_BOUND * largest, "score " + i);
      }
    }
  }

  private float[] scores(String device, Arena arena) {
    var contents = Safetensors.read(folder.resolve(device + ".safetensors"), arena);
    return contents.tensor("all_modules").toArray();
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
