package io.nepenthe.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Data sets: generated, and manipulated. */
@Command(
    name = "data",
    description = "Writes data sets: generated ones, and poisoned copies.",
    mixinStandardHelpOptions = true,
    subcommands = {DataGlyphsCommand.class, DataPoisonCommand.class},
    footerHeading = "%nExample:%n",
    footer = "  nepenthe data glyphs --out digits")
final class DataCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing: glyphs or poison");
  }
}
