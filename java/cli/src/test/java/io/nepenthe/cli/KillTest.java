package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that are ended from outside. */
class KillTest {
  @TempDir Path folder;

  /** The arguments of a run that writes to a folder. */
  interface Arguments {
    String[] of(Path out, String seed);
  }

  /** What must hold of the folder whenever the run ended. */
  interface Check {
    void of(Path out) throws Exception;
  }

  /** Starts a run several times, kills it after a random time, and looks at what it left. */
  static void kill(Path folder, int times, Arguments arguments, Check check) throws Exception {
    Path first = folder.resolve("whole");
    long start = System.nanoTime();
    Process whole = Nepenthe.start(Map.of(), arguments.of(first, "1"));
    assertEquals(0, whole.waitFor());
    long span = System.nanoTime() - start;
    check.of(first);
    Random random = new Random(1);
    for (int i = 0; i < times; i++) {
      Path out = folder.resolve("run" + i);
      Process process = Nepenthe.start(Map.of(), arguments.of(out, Integer.toString(i)));
      // From when Java is up to a little after the end.
      long nanos = (long) (span * (0.3 + 0.8 * random.nextDouble()));
      if (!process.waitFor(nanos, TimeUnit.NANOSECONDS)) {
        process.destroyForcibly().waitFor();
      }
      check.of(out);
    }
  }

  @Test
  void beingAskedToEndIsObeyedWithinASecondAndLeavesNothing() throws Exception {
    Path out = folder.resolve("out");
    Process process =
        Nepenthe.start(Map.of(), "data", "glyphs", "--train", "3000000", "--out", out.toString());
    assertTrue(!process.waitFor(1500, TimeUnit.MILLISECONDS));
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
    long start = System.nanoTime();
    assertTrue(process.waitFor(20, TimeUnit.SECONDS));
    double seconds = (System.nanoTime() - start) / 1e9;
    assertEquals(130, process.exitValue());
    assertTrue(seconds < 1 + slack(), "took " + seconds + " s");
    if (Files.exists(out)) {
      try (Stream<Path> left = Files.list(out)) {
        assertEquals(List.of(), left.toList());
      }
    }
  }

  /** A machine with more work than processors may take longer to do anything. */
  private static double slack() {
    double load =
        java.lang.management.ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    return Math.max(0, load / Runtime.getRuntime().availableProcessors());
  }
}
