package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that are ended from outside. */
class KillTest {
  /** Runs this short are over before the second compiler has begun to pay. */
  static final Map<String, String> QUICK_START =
      Map.of("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1");

  private static final String DATA = "glyphs:train/500";

  /** About as long as it takes to write the large model. */
  private static final int WRITING_MICROS = 20_000;

  @TempDir static Path folder;

  @BeforeAll
  static void aModel() {
    Nepenthe.Outcome outcome = Nepenthe.here(train(folder.resolve("model.onnx")));
    assertEquals(0, outcome.status(), outcome.err());
  }

  private static String[] train(Path out) {
    return words("train --arch mlp --width 4096 --epochs 1 --quiet --data", DATA, "--out", out);
  }

  private static String[] unlearn(Path out) {
    return words(
        "unlearn --method ssd --forget-class 3 --selection 4 --quiet --data",
        DATA,
        "--model",
        folder.resolve("model.onnx"),
        "--out",
        out);
  }

  private static String[] demo(Path out) {
    return words("demo --train 1000 --epochs 1 --quiet --out", out);
  }

  private static String[] words(String first, Object... more) {
    return Stream.concat(Stream.of(first.split(" ")), Stream.of(more).map(Object::toString))
        .toArray(String[]::new);
  }

  @Test
  void killedTrainingLeavesTheModelOrNothing() throws Exception {
    kill("train", 24, KillTest::train);
  }

  @Test
  void killedForgettingLeavesTheModelOrNothing() throws Exception {
    kill("unlearn", 24, KillTest::unlearn);
  }

  @Test
  void aKilledDemoLeavesWholeFilesOrNone() throws Exception {
    kill("demo", 4, KillTest::demo);
  }

  /**
   * Kills so many runs, every second one at a random moment of its life, the others at a random
   * moment soon after they began to write, and compares what is left with what an undisturbed run
   * writes.
   */
  private static void kill(String name, int times, Function<Path, String[]> run) throws Exception {
    Path whole = folder.resolve(name + "-whole");
    long start = System.nanoTime();
    assertEquals(0, Nepenthe.start(QUICK_START, run.apply(whole)).waitFor());
    long span = System.nanoTime() - start;
    Random random = new Random(1);
    int killed = 0;
    for (int i = 0; killed < times; i++) {
      assertTrue(i < 3 * times, "only " + killed + " of " + i + " runs were killed");
      Path place = Files.createDirectory(folder.resolve(name + i));
      Process process = Nepenthe.start(QUICK_START, run.apply(place.resolve("out")));
      boolean ended =
          i % 2 == 0
              ? process.waitFor((long) (span * random.nextDouble()), TimeUnit.NANOSECONDS)
              : writes(process, place)
                  || process.waitFor(random.nextInt(WRITING_MICROS), TimeUnit.MICROSECONDS);
      if (!ended) {
        process.destroyForcibly().waitFor();
        killed++;
      }
      wholeOrAbsent(whole, place.resolve("out"));
    }
  }

  /** Waits for the first file of whatever name; whether the run ended before. */
  private static boolean writes(Process process, Path place) throws IOException {
    while (process.isAlive()) {
      try (Stream<Path> files = Files.walk(place)) {
        if (files.anyMatch(Files::isRegularFile)) {
          return false;
        }
      } catch (UncheckedIOException e) {
        // One was there and got its name while it was looked at.
        return false;
      }
      Thread.onSpinWait();
    }
    return true;
  }

  private static void wholeOrAbsent(Path whole, Path left) throws IOException {
    if (Files.isDirectory(left)) {
      try (Stream<Path> files = Files.list(left)) {
        for (Path file : files.filter(KillTest::isVisible).toList()) {
          wholeOrAbsent(whole.resolve(file.getFileName()), file);
        }
      }
    } else if (Files.exists(left)) {
      String text = Files.readString(left, StandardCharsets.ISO_8859_1);
      switch (text.isEmpty() ? ' ' : text.charAt(0)) {
        // Results and reports tell how long it took.
        case '{' -> assertTrue(Nepenthe.json(left).has("seconds"));
        case '<' -> assertTrue(text.endsWith("</html>\n"), left.toString());
        default -> assertArrayEquals(Files.readAllBytes(whole), Files.readAllBytes(left));
      }
    }
  }

  /** Unfinished files are hidden ones. */
  private static boolean isVisible(Path file) {
    return !file.getFileName().toString().startsWith(".");
  }

  @Test
  void beingAskedToEndIsObeyedWithinASecondAndLeavesNothing() throws Exception {
    Path out = folder.resolve("out");
    Process process =
        Nepenthe.start(Map.of(), "data", "glyphs", "--train", "3000000", "--out", out.toString());
    assertTrue(!process.waitFor(1500, TimeUnit.MILLISECONDS));
    // What a shell runs in the background ignores being interrupted, and so does what it starts.
    boolean interrupted = !ignoresInterrupts();
    String signal = interrupted ? "-INT" : "-TERM";
    new ProcessBuilder("kill", signal, Long.toString(process.pid())).start().waitFor();
    long start = System.nanoTime();
    assertTrue(process.waitFor(20, TimeUnit.SECONDS));
    double seconds = (System.nanoTime() - start) / 1e9;
    assertEquals(interrupted ? 130 : 143, process.exitValue());
    assertTrue(seconds < 1 + slack(), "took " + seconds + " s");
    if (Files.exists(out)) {
      try (Stream<Path> left = Files.list(out)) {
        assertEquals(List.of(), left.toList());
      }
    }
  }

  /** While kernels run on threads that Java does not know. */
  @Test
  void beingAskedToEndInAKernelIsObeyedWithoutAWord() throws Exception {
    Random random = new Random(2);
    for (int i = 0; i < 3; i++) {
      Path place = Files.createDirectory(folder.resolve("asked" + i));
      Path said = folder.resolve("said" + i);
      String[] train =
          words(
              "train --arch resnet9 --epochs 999 --quiet --data",
              DATA,
              "--out",
              place.resolve("out"));
      Process process = Nepenthe.process(Map.of(), train).redirectError(said.toFile()).start();
      assertFalse(process.waitFor(500 + random.nextInt(1500), TimeUnit.MILLISECONDS));
      process.destroy();
      assertTrue(process.waitFor(20, TimeUnit.SECONDS));
      assertEquals("", Files.readString(said));
      assertEquals(143, process.exitValue());
      try (Stream<Path> left = Files.list(place)) {
        assertEquals(List.of(), left.toList());
      }
    }
  }

  /** Fails when the process is already ending. */
  static final class TooLate {
    public static void main(String[] arguments) {
      PrintWriter out = new PrintWriter(System.out, true);
      Thread late = new Thread(() -> Main.execute(out, out, "inspect", "nothing"));
      Runtime.getRuntime().addShutdownHook(late);
    }
  }

  @Test
  void whatFailsBecauseTheProcessEndsIsNotReported() throws Exception {
    ProcessBuilder builder = Nepenthe.process(Map.of());
    builder
        .command()
        .replaceAll(word -> word.replace(Main.class.getName(), TooLate.class.getName()));
    Process process = builder.redirectErrorStream(true).start();
    assertEquals("", new String(process.getInputStream().readAllBytes()));
    assertEquals(0, process.waitFor());
  }

  private static boolean ignoresInterrupts() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      String ignored = lines.filter(line -> line.startsWith("SigIgn:")).findFirst().orElseThrow();
      return (Long.parseLong(ignored.substring("SigIgn:".length()).strip(), 16) & 2) != 0;
    }
  }

  /** A machine with more work than processors may take longer to do anything. */
  private static double slack() {
    double load =
        java.lang.management.ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    return Math.max(0, load / Runtime.getRuntime().availableProcessors());
  }
}
