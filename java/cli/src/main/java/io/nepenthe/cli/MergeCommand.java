package io.nepenthe.cli;

import io.nepenthe.curvature.StageMerge;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Puts the parts that partitioned runs computed together. */
@Command(
    name = "merge",
    description = {
      "Merges the parts that runs with --partition left in folders: sums are added, scores stand",
      "beside each other. The result has the same bytes as if one run had done all; the parts are",
      "deleted."
    },
    footerHeading = "%nExample:%n",
    footer = "  nepenthe merge factors/")
final class MergeCommand extends Operation {
  @Parameters(paramLabel = "DIR", arity = "1..*", description = "The folders.")
  private List<Path> folders;

  @Override
  void run(Run run) {
    for (Path folder : folders) {
      if (!Files.isDirectory(folder)) {
        throw new CommandException(folder + ": expected a folder, found none");
      }
    }
    for (Path folder : folders) {
      run.phase("merge", () -> StageMerge.all(folder, new StageProgress(run)));
    }
  }
}
