package io.nepenthe.cli;

import io.nepenthe.curvature.StageMerge;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Puts the parts that partitioned runs computed together. */
@Command(
    name = "merge",
    description = {
      "Merges the parts that runs with --partition left in a folder: sums are added, scores stand",
      "beside each other. The result has the same bytes as if one run had done all; the parts are",
      "deleted."
    },
    footerHeading = "%nExample:%n",
    footer = "  nepenthe merge factors/")
final class MergeCommand extends Operation {
  @Parameters(paramLabel = "DIR", description = "The folder.")
  private Path folder;

  @Override
  void run(Run run) {
    if (!Files.isDirectory(folder)) {
      throw new CommandException(folder + ": expected a folder, found none");
    }
    run.phase("merge", () -> StageMerge.all(folder, new StageProgress(run)));
  }
}
