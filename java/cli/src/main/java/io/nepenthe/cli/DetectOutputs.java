package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.IdList;
import io.nepenthe.detect.Detection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** What is told of a detection, and in which files. */
final class DetectOutputs {
  @Option(names = "--out", paramLabel = "FILE", description = "All ids with scores, as CSV.")
  private Path out;

  @Option(
      names = "--ids",
      paramLabel = "FILE",
      description = "The ids that are flagged, one a line, for unlearn --forget.")
  private Path ids;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "A page of the most suspect images.")
  private Path report;

  /** Before anything is computed. */
  void requireWritable(Run run) {
    for (Path file : Arrays.asList(out, ids, report)) {
      if (file != null) {
        run.writes(file);
      }
    }
  }

  /** A folder that is written to. */
  Path folder() {
    return Stream.of(out, ids, report)
        .filter(Objects::nonNull)
        .map(Outputs::scratch)
        .findFirst()
        .orElse(Path.of(System.getProperty("java.io.tmpdir")));
  }

  /** Prints the most suspect and writes the files that were asked for. */
  void write(Run run, Detection found, Dataset training, String method) {
    tell(run, found, training);
    files(run, found, training, method);
  }

  private static void tell(Run run, Detection found, Dataset training) {
    ObjectNode json = run.result().json();
    json.put("examples", training.size()).put("flagged", found.count());
    ArrayNode top = json.putArray("top");
    int[] order = found.order();
    run.say(
        "%s of %s examples are flagged; the most suspect:",
        Text.count(found.count()), Text.count(training.size()));
    run.say("%10s %10s %s", "id", "score", "label");
    for (int i = 0; i < Math.min(10, order.length); i++) {
      long id = training.id(order[i]);
      String label = training.classNames().get(training.label(order[i]));
      run.say("%10d %10.4g %s", id, found.scores()[order[i]], label);
      top.addObject().put("id", id).put("score", found.scores()[order[i]]);
    }
  }

  private void files(Run run, Detection found, Dataset training, String method) {
    if (out != null) {
      StringBuilder rows = new StringBuilder("id,score,flagged\n");
      for (int i : found.order()) {
        rows.append(training.id(i)).append(',').append(found.scores()[i]);
        rows.append(',').append(found.flagged()[i] ? 1 : 0).append('\n');
      }
      AtomicFile.write(out, to -> to.write(rows.toString().getBytes(StandardCharsets.UTF_8)));
      run.result().output(out);
      run.say("%s", out);
    }
    if (ids != null) {
      IdList.write(ids, found.flaggedIds(training));
      run.result().output(ids);
      run.say("%s", ids);
    }
    if (report != null) {
      String page = DetectReport.html(found, training, method);
      AtomicFile.write(report, to -> to.write(page.getBytes(StandardCharsets.UTF_8)));
      run.result().output(report);
      run.say("%s", report);
    }
  }
}
