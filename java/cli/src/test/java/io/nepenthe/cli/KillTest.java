package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
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
  /** Runs this short are over before the second compiler has begun to pay. */
  private static final Map<String, String> QUICK_START =
      Map.of("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1");

  @TempDir Path folder;

  private static String[] glyphs(Path out) {
    return new String[] {
      "data",
      "glyphs",
      "--train",
      "20000",
      "--test",
      "10",
      "--format",
      "npz",
      "--out",
      out.toString()
    };
  }

  @Test
  void aKilledRunLeavesWholeFilesOrNone() throws Exception {
    Path whole = folder.resolve("whole");
    long start = System.nanoTime();
    assertEquals(0, Nepenthe.start(QUICK_START, glyphs(whole)).waitFor());
    long span = System.nanoTime() - start;
    byte[] train = Files.readAllBytes(whole.resolve("train.npz"));
    byte[] test = Files.readAllBytes(whole.resolve("test.npz"));
    Random random = new Random(1);
    int killed = 0;
    int absent = 0;
    for (int i = 0; i < 50; i++) {
      Path out = folder.resolve("run" + i);
      Process process = Nepenthe.start(QUICK_START, glyphs(out));
      // From when Java is up to a little after the end.
      long nanos = (long) (span * (0.4 + 0.65 * random.nextDouble()));
      if (!process.waitFor(nanos, TimeUnit.NANOSECONDS)) {
        process.destroyForcibly().waitFor();
        killed++;
      }
      absent += wholeOrAbsent(train, out.resolve("train.npz")) ? 0 : 1;
      wholeOrAbsent(test, out.resolve("test.npz"));
    }
    assertTrue(killed >= 20, killed + " of 50 runs were killed before their end");
    assertTrue(absent > 0, "a run was killed before its first file");
  }

  /** Whether it is there; then it must be what an undisturbed run writes. */
  private static boolean wholeOrAbsent(byte[] whole, Path file) throws IOException {
    if (!Files.exists(file)) {
      return false;
    }
    assertArrayEquals(whole, Files.readAllBytes(file), file.toString());
    return true;
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
