package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A main class of these tests in a process of its own, with the same class path. */
public final class ChildJvm {
  private ChildJvm() {}

  /** How it ended, and what it printed to both streams. */
  public record Outcome(int status, String output) {}

  /** Starts it; a property of the form {@code name=value} becomes {@code -Dname=value}. */
  public static Process start(
      Class<?> main, List<String> properties, Map<String, String> environment, String... arguments)
      throws IOException {
    return start(System.getProperty("java.class.path"), main, properties, environment, arguments);
  }

  /** The same with another class path. */
  static Process start(
      String classPath,
      Class<?> main,
      List<String> properties,
      Map<String, String> environment,
      String... arguments)
      throws IOException {
    return start(
        "--enable-native-access=ALL-UNNAMED", classPath, main, properties, environment, arguments);
  }

  /** The same with another access to native code. */
  static Process start(
      String access,
      String classPath,
      Class<?> main,
      List<String> properties,
      Map<String, String> environment,
      String... arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add(access);
    command.add("--illegal-native-access=deny");
    command.add("-XX:TieredStopAtLevel=1");
    properties.forEach(property -> command.add("-D" + property));
    command.add("-cp");
    command.add(classPath);
    command.add(main.getName());
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    return builder.start();
  }

  /** Waits for its end. */
  public static Outcome finish(Process process) throws IOException, InterruptedException {
    String output =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    boolean ended = process.waitFor(60, TimeUnit.SECONDS);
    if (!ended) {
      process.destroyForcibly();
    }
    assertTrue(ended, "the child does not end");
    return new Outcome(process.exitValue(), output);
  }
}
