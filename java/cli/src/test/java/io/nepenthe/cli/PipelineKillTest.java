package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pipelines that are killed and resumed until they are done. */
class PipelineKillTest {
  private static final int KILLS = 10;

  /** About as long as a file of this size takes to write. */
  private static final int WRITING_MICROS = 4_000;

  private static final String DATA = " --model M --data glyphs:train/192 --batch-size 16 --quiet ";

  private static final List<String> STAGES =
      List.of(
          "factors" + DATA + "--resume --checkpoint 0 --out D",
          "influence"
              + DATA
              + "--resume --checkpoint 0 --queries glyphs:test#0-2 --factors D --stages D");

  @TempDir private Path folder;

  private String[] words(String line, Path stages) {
    return line.replace(" M ", " " + folder.resolve("model.onnx") + " ")
        .replaceAll(" D(?=[ /]|$)", " " + stages)
        .split(" ");
  }

  /** Every second one dies at a random moment of its life, the others while they write a file. */
  @Test
  void killedRunsEndWithTheBytesOfUndisturbedOnes() throws Exception {
    Nepenthe.Outcome trained =
        Nepenthe.here(
            words(
                "train --arch lenet --data glyphs:train/192 --epochs 1 --quiet --out M ", folder));
    assertEquals(0, trained.status(), trained.err());
    Path whole = folder.resolve("whole");
    long start = System.nanoTime();
    for (String line : STAGES) {
      assertEquals(0, Nepenthe.start(KillTest.QUICK_START, words(line, whole)).waitFor());
    }
    long span = (System.nanoTime() - start) / STAGES.size();
    Random random = new Random(1);
    int killed = 0;
    for (int i = 0; killed < KILLS; i++) {
      assertTrue(i < KILLS, "only " + killed + " runs were killed");
      Path place = folder.resolve("broken" + i);
      for (String line : STAGES) {
        boolean ended = false;
        for (int attempt = 0; !ended; attempt++) {
          // After some kills it may end, so that the stage after it has its turn.
          Process process = Nepenthe.start(KillTest.QUICK_START, words(line, place));
          ended =
              attempt == 4
                  ? process.waitFor() >= 0
                  : attempt % 2 == 0
                      ? process.waitFor((long) (span * random.nextDouble()), TimeUnit.NANOSECONDS)
                      : writes(process, place, random.nextInt(20))
                          || process.waitFor(random.nextInt(WRITING_MICROS), TimeUnit.MICROSECONDS);
          if (ended) {
            String complaint = new String(process.getErrorStream().readAllBytes());
            assertEquals(0, process.exitValue(), complaint);
          } else {
            process.destroyForcibly().waitFor();
            killed++;
          }
        }
      }
      same(whole, place);
    }
  }

  /** Waits until it has begun to write so many files; whether it ended before. */
  private static boolean writes(Process process, Path place, int files) throws IOException {
    Set<Path> seen = unfinished(place);
    int left = files;
    while (process.isAlive()) {
      Set<Path> now = unfinished(place);
      if (!seen.containsAll(now)) {
        seen.addAll(now);
        if (left-- == 0) {
          return false;
        }
      }
      Thread.onSpinWait();
    }
    return true;
  }

  private static Set<Path> unfinished(Path place) throws IOException {
    if (!Files.isDirectory(place)) {
      return new HashSet<>();
    }
    try (Stream<Path> files = Files.list(place)) {
      return files
          .filter(file -> file.getFileName().toString().endsWith(".tmp"))
          .collect(Collectors.toSet());
    } catch (UncheckedIOException e) {
      return new HashSet<>();
    }
  }

  private static void same(Path expected, Path actual) throws IOException {
    assertEquals(names(expected), names(actual));
    for (Path name : names(expected)) {
      assertEquals(-1, Files.mismatch(expected.resolve(name), actual.resolve(name)), "" + actual);
    }
  }

  /** All files by name: the last run has deleted what killed ones left unfinished. */
  private static Set<Path> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(Path::getFileName).collect(Collectors.toSet());
    }
  }
}
