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

  @Test
  void aLinkStaysAndWhatItNamesIsWritten() throws IOException {
    Path real = folder.resolve("real");
    Files.writeString(real, "old");
    Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("real"));
    Path dangling = Files.createSymbolicLink(folder.resolve("dangling"), Path.of("sub/new"));
    AtomicFile.write(link, out -> out.write('x'));
    AtomicFile.write(dangling, out -> out.write('y'));
    assertTrue(Files.isSymbolicLink(link) && Files.isSymbolicLink(dangling), "still links");
    assertEquals("x", Files.readString(real));
    assertEquals("y", Files.readString(folder.resolve("sub/new")));
    Path circle = Files.createSymbolicLink(folder.resolve("circle"), Path.of("circle"));
    AtomicFile.write(circle, out -> out.write('z'));
    assertEquals("z", Files.readString(circle));
  }

  @Test
  void aPipeIsWrittenTo() throws IOException, InterruptedException {
    Path pipe = folder.resolve("pipe");
    Path copy = folder.resolve("copy");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    Process reader =
        new ProcessBuilder("cat", pipe.toString()).redirectOutput(copy.toFile()).start();
    assertTrue(AtomicFile.isStream(pipe));
    AtomicFile.write(pipe, out -> out.write(new byte[100_000]));
    assertTrue(reader.waitFor(10, TimeUnit.SECONDS), "the reader ends");
    assertEquals(100_000, Files.size(copy));
    assertTrue(AtomicFile.isStream(pipe), "still a pipe");
  }

  @Test
  void devicesAndOpenFilesAreStreams() {
    // Not written here: should it ever be wrong, root would lose the device.
    assertTrue(AtomicFile.isStream(Path.of("/dev/null")));
    assertTrue(AtomicFile.isStream(Path.of("/dev/stdout")), "wherever it leads");
    assertTrue(!AtomicFile.isStream(folder) && !AtomicFile.isStream(folder.resolve("new")));
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
    Process process = writing(folder.resolve("new"));
    process.destroy();
    assertTrue(process.waitFor(10, TimeUnit.SECONDS), "it ends");
    assertEquals(0, list(folder.resolve("new")));
  }

  /** A process that has begun to write into a folder. */
  private static Process writing(Path place) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                EndlessWriter.class.getName(),
                place.resolve("x").toString())
            .inheritIO()
            .start();
    long end = System.nanoTime() + 20_000_000_000L;
    while (bytes(place) == 0 && System.nanoTime() < end) {
      Thread.sleep(20);
    }
    assertTrue(bytes(place) > 0, "it has begun");
    return process;
  }

  private static long bytes(Path place) throws IOException {
    if (!Files.isDirectory(place)) {
      return 0;
    }
    try (Stream<Path> files = Files.list(place)) {
      return files.mapToLong(file -> file.toFile().length()).sum();
    }
  }

  @Test
  void whatAKilledProcessLeftIsFoundAndWhatIsBeingWrittenIsNot()
      throws IOException, InterruptedException {
    Path place = folder.resolve("shared");
    Process process = writing(place);
    Files.writeString(place.resolve(".of-somebody.tmp"), "else");
    int taken = AtomicFile.deleteAbandoned(place);
    process.destroyForcibly().waitFor();
    assertEquals(0, taken, "it was being written");
    assertEquals(2, list(place), "a killed process leaves it");
    AtomicFile.write(
        place.resolve("own"),
        out -> {
          out.write(1);
          assertEquals(1, AtomicFile.deleteAbandoned(place), "one that was left, not this");
          assertEquals(0, AtomicFile.deleteAbandoned(place));
        });
    assertEquals(2, list(place));
    assertEquals(1, Files.size(place.resolve("own")));
    assertEquals(0, AtomicFile.deleteAbandoned(folder.resolve("nowhere")));
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
