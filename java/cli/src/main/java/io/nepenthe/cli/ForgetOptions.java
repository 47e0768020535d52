package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say which training examples are to be forgotten: one of three. */
final class ForgetOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--forget",
      paramLabel = "FILE",
      description = "Forget the examples with the ids in FILE, one a line.")
  private Path ids;

  @Option(
      names = "--forget-class",
      paramLabel = "C",
      description = "Forget the examples of class C.")
  private Integer label;

  @Option(
      names = "--forget-where",
      paramLabel = "EXPR",
      description = {
        "Forget the examples for which EXPR holds: id, index or label compared with numbers,",
        "and, or, not, brackets. For instance: label = 3 and id < 1000"
      })
  private String where;

  @Option(
      names = "--forget-fraction",
      paramLabel = "F",
      description = "Forget this share of the examples, from 0 to 1, drawn at random by the seed.")
  private Double fraction;

  /** Whether any was given. */
  boolean given() {
    return count() > 0;
  }

  private long count() {
    return Stream.of(ids, label, where, fraction).filter(Objects::nonNull).count();
  }

  /**
   * The ids of the examples to be forgotten; at least one, and not all.
   *
   * @throws ParameterException unless exactly one option was given, and it can be read
   */
  long[] of(Dataset dataset, Run run) {
    if (count() != 1) {
      throw new ParameterException(
          command.commandLine(),
          "one of --forget, --forget-class, --forget-where and --forget-fraction is needed");
    }
    if (fraction != null && !(fraction > 0 && fraction < 1)) {
      throw new ParameterException(
          command.commandLine(), "--forget-fraction is between 0 and 1, found " + fraction);
    }
    long[] chosen;
    if (ids != null) {
      chosen = Datasets.ids(Subset.ofIds(dataset, ids));
      run.reads(ids);
    } else if (fraction != null) {
      Dataset drawn = Datasets.split(dataset, fraction, run.seed()).first();
      chosen = LongStream.range(0, drawn.size()).map(drawn::id).toArray();
    } else if (label != null) {
      chosen = matching(dataset, (data, index) -> data.label(index) == label);
    } else {
      chosen = matching(dataset, condition());
    }
    if (chosen.length == 0 || chosen.length == dataset.size()) {
      throw new CommandException(
          "%s: expected some of the %s examples of %s to forget, found %s"
              .formatted(
                  ids == null ? dataset.name() : ids,
                  Text.count(dataset.size()),
                  dataset.name(),
                  chosen.length == 0 ? "none" : "all of them"));
    }
    return chosen;
  }

  private Where.Condition condition() {
    try {
      return Where.parse(where);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(command.commandLine(), "--forget-where: " + e.getMessage(), e);
    }
  }

  private static long[] matching(Dataset dataset, Where.Condition condition) {
    long[] found = new long[16];
    int count = 0;
    for (long index = 0; index < dataset.size(); index++) {
      if (condition.of(dataset, index)) {
        if (count == found.length) {
          found = Arrays.copyOf(found, 2 * count);
        }
        found[count++] = dataset.id(index);
      }
    }
    return Arrays.copyOf(found, count);
  }
}
