package io.nepenthe.cli;

import io.nepenthe.curvature.StageOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The options of a pipeline: which part of it this run computes, and what it leaves behind. */
final class StageArguments {
  private static final Pattern PARTITION = Pattern.compile("([0-9]{1,4})/([0-9]{1,4})");

  @Option(
      names = "--partition",
      paramLabel = "I/N",
      defaultValue = "1/1",
      description = {
        "Compute only the I-th of N parts of the data; nepenthe merge puts the parts of all runs",
        "together, to the same bits as one run's."
      })
  private String partition;

  @Option(
      names = "--checkpoint",
      paramLabel = "SECONDS",
      defaultValue = "60",
      description = "How often the state of an unfinished file is saved (default: 60).")
  private double checkpoint;

  @Option(
      names = "--resume",
      description = "Go on from the checkpoint that an interrupted run left, to the same bytes.")
  private boolean resume;

  @Option(
      names = "--plan",
      description = "Print what each stage will take of disk, memory and operations; run nothing.")
  private boolean plan;

  /** Whether nothing is to be run. */
  boolean plan() {
    return plan;
  }

  /** Whether this run computes a part only. */
  boolean partitioned() {
    return !partition.equals("1/1");
  }

  /** Whether something is asked that needs a folder of stages. */
  boolean needFolder() {
    return partitioned() || resume;
  }

  /**
   * The choices.
   *
   * @throws ParameterException if they cannot be
   */
  StageOptions in(Path folder, CommandLine command) {
    Matcher parts = PARTITION.matcher(partition);
    if (!parts.matches()) {
      throw new ParameterException(
          command, "--partition: expected I/N such as 2/4, found \"" + partition + "\"");
    }
    if (!(checkpoint >= 0 && checkpoint <= 1e9)) {
      throw new ParameterException(command, "--checkpoint takes 0 seconds or more");
    }
    try {
      return new StageOptions(
          folder,
          Integer.parseInt(parts.group(1)),
          Integer.parseInt(parts.group(2)),
          Duration.ofNanos((long) (checkpoint * 1e9)),
          resume);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(command, "--partition: " + e.getMessage(), e);
    }
  }
}
