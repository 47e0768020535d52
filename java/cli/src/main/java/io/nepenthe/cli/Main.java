package io.nepenthe.cli;

import java.io.PrintWriter;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;

/** {@code nepenthe}: parses the command line, runs one command, and words its failure. */
@Command(
    name = "nepenthe",
    description = "Makes a trained neural network forget.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    subcommands = {
      DemoCommand.class,
      DoctorCommand.class,
      DataCommand.class,
      TrainCommand.class,
      EvaluateCommand.class,
      FisherCommand.class,
      SaliencyCommand.class,
      FactorsCommand.class,
      InfluenceCommand.class,
      MergeCommand.class,
      InspectCommand.class,
      DetectCommand.class,
      UnlearnCommand.class,
      CompareCommand.class
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe demo --out out",
      "",
      "nepenthe COMMAND --help explains a command. Wherever one takes DATA:",
      "  glyphs:train, glyphs:test     generated digits, 10,000 and 2,000; glyphs:train/5000: so many",
      "  idx:IMAGES[,LABELS]           MNIST's files, as downloaded; labels are found by name",
      "  cifar10:DIR, cifar10:DIR/test the folder or archive, as downloaded",
      "  images:DIR[!/SUBDIR]          JPEG or PNG files, a folder a class; also in a zip or tar",
      "  npz:FILE, npy:IMAGES,LABELS   arrays",
      "  csv:FILE                      a label and pixels a line",
      "Each may end in #0-99, those positions only, or #@FILE, the ids in a file.",
      "",
      "Exit status: 0 done, 1 failed (one line says why), 2 wrong usage."
    })
public final class Main implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  /** Created by {@link #execute}. */
  private Main() {}

  /**
   * Runs a command and ends the process with its exit status.
   *
   * @param arguments as typed
   */
  public static void main(String[] arguments) {
    // Words are English, and so are numbers: the same output on every machine.
    Locale.setDefault(Text.LOCALE);
    StandardOutput out = StandardOutput.ofThisProcess();
    PrintWriter err = new PrintWriter(System.err, true);
    System.exit(out.status(execute(out.writer(), err, arguments), err));
  }

  /**
   * Runs a command.
   *
   * @param out receives what the command prints
   * @param err receives progress and complaints
   * @param arguments as typed
   * @return 0 done, 1 failed, 2 wrong usage
   */
  static int execute(PrintWriter out, PrintWriter err, String... arguments) {
    return new CommandLine(new Main())
        .setOut(out)
        .setErr(err)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setUsageHelpAutoWidth(false)
        .setUsageHelpWidth(100)
        .setHelpFactory(Usage::new)
        .setParameterExceptionHandler(Main::wrongUsage)
        .setExecutionExceptionHandler(Failures::report)
        .execute(arguments);
  }

  /** Without a command there is nothing to do. */
  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }

  private static int wrongUsage(ParameterException e, String[] arguments) {
    CommandLine command = e.getCommandLine();
    String name = command.getCommandSpec().qualifiedName();
    command.getErr().println(Failures.oneLine(name + ": " + e.getMessage()));
    command.getErr().println("Try: " + name + " --help");
    return command.getCommandSpec().exitCodeOnInvalidInput();
  }
}
