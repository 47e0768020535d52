package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** What a file of statistics holds. */
@Command(
    name = "inspect",
    description = {
      "Prints the metadata of a safetensors file, each tensor's type, shape and range, and a warning",
      "for what cannot be right; of a folder, for every such file in it."
    },
    footerHeading = "%nExample:%n",
    footer = {"  nepenthe inspect factors/lambda.safetensors", "  nepenthe inspect factors/"})
final class InspectCommand extends Operation {
  @Parameters(paramLabel = "FILE", description = "The file, or a folder of files.")
  private Path file;

  @Override
  void run(Run run) {
    ObjectNode json = run.result().json();
    if (!Files.isDirectory(file)) {
      inspect(run, file, json);
      return;
    }
    ArrayNode all = json.putArray("files");
    for (Path one : files(file)) {
      run.say("%s", one);
      inspect(run, one, all.addObject().put("file", one.toString()));
    }
  }

  private static List<Path> files(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> found =
          files.filter(one -> one.toString().endsWith(".safetensors")).sorted().toList();
      if (found.isEmpty()) {
        throw new CommandException(folder + ": expected safetensors files, found none");
      }
      return found;
    } catch (IOException e) {
      throw new CommandException(folder + ": expected a folder that can be listed, found " + e, e);
    }
  }

  private static void inspect(Run run, Path file, ObjectNode json) {
    try (SafetensorsFile open = SafetensorsFile.open(file)) {
      run.reads(file);
      open.metadata().forEach((name, value) -> run.say("%s = %s", name, value));
      Inspection inspection = new Inspection(open);
      ArrayNode tensors = json.putArray("tensors");
      run.phase("read", () -> inspection.tensors(seen -> show(run, seen, tensors)));
      ArrayNode warnings = json.putArray("warnings");
      inspection
          .warnings()
          .forEach(
              warning -> {
                warnings.add(warning);
                run.say("warning: %s", warning);
              });
    }
  }

  private static void show(Run run, Inspection.Seen seen, ArrayNode tensors) {
    run.say(
        "%-48s %s %-16s %12.5g … %-12.5g mean %.5g%s",
        seen.name(),
        seen.type(),
        seen.shape(),
        seen.least(),
        seen.most(),
        seen.mean(),
        seen.notFinite() == 0 ? "" : ", not finite: " + seen.notFinite());
    tensors
        .addObject()
        .put("name", seen.name())
        .put("type", seen.type().name())
        .put("shape", seen.shape().toString())
        .put("least", seen.least())
        .put("most", seen.most())
        .put("mean", seen.mean())
        .put("notFinite", seen.notFinite());
  }
}
