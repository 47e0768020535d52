package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class PythonPeersTest {
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

  @Test
  void aFailureOfTheScriptIsOne() {
    IOException failure =
        assertThrows(
            IOException.class, () -> new PythonPeers("false", 1).rows(Map.of("threads", "1")));
    assertTrue(failure.getMessage().endsWith("exit code 1"), failure.getMessage());
  }
}
