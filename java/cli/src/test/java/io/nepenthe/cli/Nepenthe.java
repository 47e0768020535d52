package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Runs the command line in a process of its own, as a user would. */
final class Nepenthe {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  /**
   * What a run left.
   *
   * @param status its exit status
   * @param out its standard output
   * @param err its standard error
   */
  record Outcome(int status, String out, String err) {
    /** The lines of the complaint. */
    List<String> errors() {
      return err.lines().toList();
    }
  }

  private Nepenthe() {}

  /** Runs it in this process: quicker, where nothing but its words and status matter. */
  static Outcome here(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int status = Main.execute(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
    return new Outcome(status, out.toString(), err.toString());
  }

  static Outcome run(String... arguments) {
    return run(Map.of(), arguments);
  }

  static Outcome run(Map<String, String> environment, String... arguments) {
    Process process = start(environment, arguments);
    try {
      CompletableFuture<String> err = CompletableFuture.supplyAsync(() -> read(process, true));
      String out = read(process, false);
      if (!process.waitFor(5, TimeUnit.MINUTES)) {
        process.destroyForcibly();
        throw new AssertionError("still running: " + List.of(arguments));
      }
      return new Outcome(process.exitValue(), out, err.join());
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Starts a run and leaves it running; its output is there to be read. */
  static Process start(Map<String, String> environment, String... arguments) {
    try {
      return process(environment, arguments).start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A run that is not started yet. */
  static ProcessBuilder process(Map<String, String> environment, String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(launcherOptions());
    command.addAll(
        List.of(
            "-D" + ProgressBar.TERMINAL_PROPERTY + "=0",
            "-cp",
            System.getProperty("java.class.path"),
            "io.nepenthe.cli.Main"));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    return builder;
  }

  /** What the launcher script gives the virtual machine. */
  private static List<String> launcherOptions() {
    try {
      Matcher options =
          Pattern.compile("^options=\\((.*)\\)$", Pattern.MULTILINE)
              .matcher(Files.readString(Path.of("../../nepenthe")));
      if (!options.find()) {
        throw new AssertionError("the launcher has no options=( )");
      }
      return List.of(options.group(1).split(" "));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static JsonNode json(Path file) {
    try {
      return MAPPER.readTree(Files.readString(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String read(Process process, boolean err) {
    try {
      byte[] bytes = (err ? process.getErrorStream() : process.getInputStream()).readAllBytes();
      return new String(bytes, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
