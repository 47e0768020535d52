package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PythonPeersTest {
  @TempDir private Path folder;

  private static final String PYTHON = "/usr/bin/python3";

  private static boolean hasTorch() throws InterruptedException {
    try {
      return new ProcessBuilder(PYTHON, "-c", "import torch").start().waitFor() == 0;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void theSameWorkIsTimed() throws Exception {
    assumeTrue(hasTorch(), PYTHON + " has no PyTorch");
    List<Report.Row> rows =
        new PythonPeers(PYTHON, 3)
            .rows(Map.of("threads", "1,2", "network", "lenet", "samples", "2", "weights", "1000"));
    Set<String> names = rows.stream().map(Report.Row::benchmark).collect(Collectors.toSet());
    for (Peers pair : Peers.ALL) {
      // The vectorised gradients need PyTorch 2.
      if (pair.theirs().startsWith("PyTorch") && !pair.theirs().endsWith("vmapFisher")) {
        assertTrue(names.contains(pair.theirs()), pair + " is not among " + names);
      }
    }
    for (Report.Row row : rows) {
      assertTrue(row.milliseconds() > 0, row.toString());
      assertEquals(3, row.iterations());
    }
  }

  /** As the GPU bundle runs it, here on the processor: beside lines of ours. */
  @Test
  void wholePassesStandBesideOurs() throws Exception {
    assumeTrue(hasTorch(), PYTHON + " has no PyTorch");
    Path ours = folder.resolve("passes.jsonl");
    Files.writeString(
        ours,
        "{\"device\": \"d\", \"by\": \"nepenthe BF16\", \"name\": \"exact Fisher\", \"samples\": 3,"
            + " \"seconds\": \"not measured\", \"peakBytes\": 0}\n");
    String script = Path.of(PythonPeers.class.getResource("torch_epochs.py").toURI()).toString();
    Process process =
        new ProcessBuilder(
                PYTHON,
                "-B",
                script,
                "--device=cpu",
                "--samples=3",
                "--width=2",
                "--runs=1",
                "--beside=" + ours)
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.contains("\"name\": \"squares of batches of 64\", \"samples\": 3"), output);
    assertTrue(output.matches("(?s).*nepenthe BF16 +3 +not measured +- .*"), output);
    assertTrue(output.matches("(?s).*forward and backward +PyTorch .* 1\\.00 .*"), output);
  }

  @Test
  void aFailureOfTheScriptIsOne() {
    IOException failure =
        assertThrows(
            IOException.class, () -> new PythonPeers("false", 1).rows(Map.of("threads", "1")));
    assertTrue(failure.getMessage().endsWith("exit code 1"), failure.getMessage());
  }
}
