package io.nepenthe.cli;

import io.nepenthe.curvature.ActivationPlan;
import io.nepenthe.curvature.Activations;
import io.nepenthe.nn.Model;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say whether layers' activations are kept from one pass to later ones. */
final class ActivationArguments {
  private static final Pattern SIZE = Pattern.compile("([0-9]{1,6})([KMGT]?)");

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--activations",
      paramLabel = "DIR",
      description = {
        "Keep the layers' inputs and output gradients of the training data in this folder, and take",
        "them from there if an earlier command kept them: its passes then need no model."
      })
  private Path folder;

  @Option(
      names = "--activation-limit",
      paramLabel = "BYTES",
      defaultValue = "4G",
      description = {
        "Where a command has several passes, it keeps them for itself if that is faster and takes no",
        "more than this: 500M, 20G; 0 for never (default: 4G)."
      })
  private String limit;

  /**
   * The most bytes.
   *
   * @throws ParameterException if it is no size
   */
  long limit() {
    Matcher size = SIZE.matcher(limit);
    if (!size.matches()) {
      throw new ParameterException(
          command.commandLine(),
          "--activation-limit: expected a size such as 500M, found \"" + limit + "\"");
    }
    int thousands = size.group(2).isEmpty() ? 0 : 1 + "KMGT".indexOf(size.group(2));
    return Long.parseLong(size.group(1)) * (long) Math.pow(1000, thousands);
  }

  /** How many passes can use what a first one keeps: with a folder, those of another command. */
  long later(long passes) {
    return passes - 1 + (folder == null ? 0 : 1);
  }

  /**
   * Where a command's passes keep activations, and a line that says so where there is a choice.
   *
   * @param here the folder on whose disk they are kept for this command alone
   */
  Activations open(Run run, Model model, ActivationPlan plan, Path here) {
    if (plan.laterPasses() == 0) {
      return Activations.none();
    }
    if (!ActivationPlan.possible(run.backend(), model)) {
      run.say("activations are not kept: on a GPU every pass goes through the model");
      return Activations.none();
    }
    run.say("%s", plan);
    if (folder != null) {
      return Activations.in(folder, plan.pays(), run::say);
    }
    return plan.pays() ? Activations.temporary(here, run::say) : Activations.none();
  }
}
