package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChecksumTest {
  @TempDir private Path folder;

  @Test
  void aFolderOfLinksIsWhatTheyLeadTo() throws IOException {
    Path plain = Files.createDirectories(folder.resolve("plain/a"));
    Files.writeString(plain.resolve("1.txt"), "one");
    Files.writeString(plain.resolve("2.txt"), "two");
    Path linked = Files.createDirectories(folder.resolve("linked"));
    Path link = Files.createSymbolicLink(linked.resolve("a"), plain);
    assertEquals(Checksum.of(folder.resolve("plain")), Checksum.of(linked));

    String before = Checksum.of(linked);
    Files.writeString(plain.resolve("2.txt"), "three");
    assertNotEquals(before, Checksum.of(linked));

    Files.createSymbolicLink(link.resolve("back"), linked);
    assertThrows(CommandException.class, () -> Checksum.of(linked));
  }
}
