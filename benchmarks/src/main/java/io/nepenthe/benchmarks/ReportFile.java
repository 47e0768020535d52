package io.nepenthe.benchmarks;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/** Reads and writes records of figures as JSON. */
final class ReportFile {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private ReportFile() {}

  /**
   * Reads what {@link #write} wrote.
   *
   * @param what it is called in the error
   * @throws IOException naming the file, if it is not such a record
   */
  static <T> T read(Path file, Class<T> type, String what) throws IOException {
    try {
      return JSON.readValue(file.toFile(), type);
    } catch (JacksonException e) {
      throw new IOException(file + " is not " + what + ": " + e.getOriginalMessage(), e);
    }
  }

  /** The rows that another program printed. */
  static List<Report.Row> rows(String json) throws IOException {
    return List.of(JSON.readValue(json, Report.Row[].class));
  }

  /** Writes a record; the file is whole or not there. */
  static void write(Path file, Record figures) throws IOException {
    Path parent = file.toAbsolutePath().getParent();
    Files.createDirectories(parent);
    Path part = Files.createTempFile(parent, "benchmarks", ".part");
    Files.writeString(part, JSON.writeValueAsString(figures) + "\n");
    Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
  }
}
