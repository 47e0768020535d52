package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.evaluate.Confusion;
import io.nepenthe.evaluate.Predictions;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The option that names two classes of which some training examples bear each other's labels. */
final class Confused {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--confused",
      paramLabel = "A,B",
      split = ",",
      description = "Measure how far these two classes are taken for each other.")
  private int[] classes;

  /**
   * Two classes.
   *
   * @param a one
   * @param b the other
   */
  record Pair(int a, int b) {
    /** Adds how far test samples of the one are taken for the other. */
    void to(Predictions test, ObjectNode node) {
      node.put("interclassConfusionError", Confusion.interclassError(test, a, b))
          .put("confusionScore", Confusion.confusionScore(test, a, b));
    }
  }

  /** Whether they were. */
  boolean given() {
    return classes != null;
  }

  /**
   * The two, if they were given.
   *
   * @throws ParameterException if they are not two different classes of the data
   */
  Optional<Pair> of(Dataset test) {
    if (classes == null) {
      return Optional.empty();
    }
    if (classes.length != 2
        || classes[0] == classes[1]
        || Math.min(classes[0], classes[1]) < 0
        || Math.max(classes[0], classes[1]) >= test.classes()) {
      throw new ParameterException(
          command.commandLine(),
          "--confused takes two different classes from 0 to " + (test.classes() - 1));
    }
    return Optional.of(new Pair(classes[0], classes[1]));
  }
}
