package io.nepenthe.benchmarks;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Times the same work in PyTorch, in a process of its own, after ours in the same run.
 *
 * @param python the interpreter
 * @param repetitions of each measured call
 */
record PythonPeers(String python, int repetitions) {
  private static final String SCRIPT = "torch_peers.py";

  /**
   * The rows for these values of the benchmarks' parameters; those that are not given have the
   * script's own.
   *
   * @throws IOException if the script fails, with what it said
   */
  List<Report.Row> rows(Map<String, String> values) throws IOException, InterruptedException {
    List<Report.Row> rows = new ArrayList<>();
    Path script = Files.createTempFile("torch_peers", ".py");
    try (InputStream resource = PythonPeers.class.getResourceAsStream(SCRIPT)) {
      Files.copy(resource, script, StandardCopyOption.REPLACE_EXISTING);
      for (String threads : values.get("threads").split(",")) {
        List<String> command =
            new ArrayList<>(List.of(python, script.toString(), "--device", "cpu"));
        command.addAll(List.of("--threads", threads, "--repetitions", "" + repetitions));
        option(command, "--networks", values.get("network"));
        option(command, "--samples", values.get("samples"));
        option(command, "--weights", values.get("weights"));
        rows.addAll(run(command));
      }
    } finally {
      Files.delete(script);
    }
    return rows;
  }

  private static void option(List<String> command, String name, String value) {
    if (value != null) {
      command.addAll(List.of(name, value));
    }
  }

  private static List<Report.Row> run(List<String> command)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    if (status != 0) {
      throw new IOException(String.join(" ", command) + " ended with exit code " + status);
    }
    return ReportFile.rows(output);
  }
}
