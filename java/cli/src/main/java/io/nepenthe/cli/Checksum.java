package io.nepenthe.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * SHA-256 of a file, as {@code sha256sum} gives it; of a folder, the SHA-256 of the list that
 * {@code sha256sum} would print for its files, sorted by name, relative to the folder.
 */
final class Checksum {
  private Checksum() {}

  static String of(Path place) {
    try {
      return HexFormat.of().formatHex(Files.isDirectory(place) ? folder(place) : file(place));
    } catch (IOException e) {
      throw new CommandException(place + ": expected a file that can be read, found " + e, e);
    }
  }

  /** SHA-256 of a text in UTF-8. */
  static String of(String text) {
    return HexFormat.of().formatHex(sha256().digest(text.getBytes(StandardCharsets.UTF_8)));
  }

  private static byte[] file(Path file) throws IOException {
    MessageDigest digest = sha256();
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      for (int read; (read = in.read(buffer)) >= 0; ) {
        digest.update(buffer, 0, read);
      }
    }
    return digest.digest();
  }

  private static byte[] folder(Path folder) throws IOException {
    List<Path> files;
    // As data are read: through links.
    try (Stream<Path> walk = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
      files = walk.filter(Files::isRegularFile).map(folder::relativize).sorted().toList();
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    MessageDigest digest = sha256();
    for (Path file : files) {
      String sum = HexFormat.of().formatHex(file(folder.resolve(file)));
      digest.update((sum + "  " + file + "\n").getBytes(StandardCharsets.UTF_8));
    }
    return digest.digest();
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
