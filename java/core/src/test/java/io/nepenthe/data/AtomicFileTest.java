package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir private Path folder;

  @Test
  void aFailedWriteLeavesTheOldFile() throws IOException {
    Path file = folder.resolve("old");
    Files.writeString(file, "old");
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFile.write(
                file,
                out -> {
                  out.write(new byte[100_000]);
                  throw new IllegalStateException();
                }));
    assertEquals("old", Files.readString(file));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(1, files.count(), "no temporary file is left");
    }
    Fixtures.refused(() -> AtomicFile.write(folder, out -> {}), "a folder");
    Fixtures.refused(() -> AtomicFile.write(file.resolve("x"), out -> {}), "old");
  }

  /** Runs in a process of its own: writes one file without end. */
  public static final class EndlessWriter {
    /** The file is the argument. */
    public static void main(String[] arguments) {
      AtomicFile.write(
          Path.of(arguments[0]),
          out -> {
            while (true) {
              out.write(new byte[1 << 10]);
              LockSupport.parkNanos(1_000_000);
            }
          });
    }
  }

  @Test
  void anEndedProcessLeavesNothing() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                EndlessWriter.class.getName(),
                folder.resolve("new/x").toString())
            .inheritIO()
            .start();
    long end = System.nanoTime() + 20_000_000_000L;
    while (list(folder.resolve("new")) == 0 && System.nanoTime() < end) {
      Thread.sleep(20);
    }
    assertEquals(1, list(folder.resolve("new")), "it has begun");
    process.destroy();
    assertTrue(process.waitFor(10, TimeUnit.SECONDS), "it ends");
    assertEquals(0, list(folder.resolve("new")));
  }

  private static long list(Path place) throws IOException {
    if (!Files.isDirectory(place)) {
      return 0;
    }
    try (Stream<Path> files = Files.list(place)) {
      return files.count();
    }
  }
}
