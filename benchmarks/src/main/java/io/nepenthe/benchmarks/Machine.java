package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * Where figures were measured.
 *
 * @param processor the model, as the system names it
 * @param cores that this process may use
 * @param instructionSet the level of the kernels that were chosen at load
 * @param memoryBytes of the machine
 * @param lastLevelCacheBytes as the system reports it; 0 where it does not
 * @param system operating system and kernel
 * @param java the virtual machine
 */
record Machine(
    String processor,
    int cores,
    String instructionSet,
    long memoryBytes,
    long lastLevelCacheBytes,
    String system,
    String java) {
  private static final String UNKNOWN = "unknown";

  /** This machine. */
  static Machine here() {
    String processor = after(Path.of("/proc/cpuinfo"), "model name", ":");
    String memory = after(Path.of("/proc/meminfo"), "MemTotal", ":");
    return new Machine(
        processor,
        Runtime.getRuntime().availableProcessors(),
        chosen(),
        memory.equals(UNKNOWN) ? 0 : Long.parseLong(memory.split(" ")[0]) * 1024,
        largestCache(),
        System.getProperty("os.name") + " " + System.getProperty("os.version"),
        System.getProperty("java.vendor") + " " + Runtime.version());
  }

  /** Whether figures of the two can be compared: all that the system cannot change is equal. */
  boolean sameHardware(Machine other) {
    return processor.equals(other.processor)
        && cores == other.cores
        && instructionSet.equals(other.instructionSet)
        && lastLevelCacheBytes == other.lastLevelCacheBytes;
  }

  /** The size of the largest cache of the first core, 0 if the system does not tell. */
  static long largestCache() {
    Path caches = Path.of("/sys/devices/system/cpu/cpu0/cache");
    if (!Files.isDirectory(caches)) {
      return 0;
    }
    try (Stream<Path> entries = Files.list(caches)) {
      return entries
          .map(entry -> entry.resolve("size"))
          .filter(Files::exists)
          .map(Machine::lines)
          .map(lines -> lines.getFirst().replace("K", ""))
          .map(kibibytes -> Long.parseLong(kibibytes) * 1024)
          .max(Comparator.naturalOrder())
          .orElse(0L);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The commit of the working directory, marked when files differ from it. */
  static String commit() {
    String commit = output("git", "rev-parse", "HEAD");
    return commit.isEmpty()
        ? UNKNOWN
        : commit + (output("git", "status", "--porcelain").isEmpty() ? "" : " with changes");
  }

  private static String chosen() {
    try (Backend backend = Device.cpu(1).open()) {
      return backend
          .describe()
          .lines()
          .filter(line -> line.startsWith("isa="))
          .map(line -> line.substring("isa=".length()))
          .findFirst()
          .orElse(UNKNOWN);
    }
  }

  private static String after(Path file, String key, String separator) {
    return !Files.exists(file)
        ? UNKNOWN
        : lines(file).stream()
            .filter(line -> line.startsWith(key))
            .map(line -> line.substring(line.indexOf(separator) + 1).strip())
            .findFirst()
            .orElse(UNKNOWN);
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String output(String... command) {
    try {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      String text =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      return process.waitFor() == 0 ? text : "";
    } catch (IOException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }
}
