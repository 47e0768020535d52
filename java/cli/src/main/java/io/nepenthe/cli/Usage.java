package io.nepenthe.cli;

import java.util.Map;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.Column.Overflow;
import picocli.CommandLine.Help.TextTable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Help in which what is said of an option is one paragraph, and of a command in a list its first
 * sentence, wherever the lines of the source end.
 */
final class Usage extends Help {
  Usage(CommandSpec command, ColorScheme colours) {
    super(command, colours);
  }

  @Override
  public IOptionRenderer createDefaultOptionRenderer() {
    IOptionRenderer usual = super.createDefaultOptionRenderer();
    // A copy cannot resolve the variables in the names of picocli's own options, which have a line.
    return (option, labels, colours) ->
        option.description().length < 2
            ? usual.render(option, labels, colours)
            : usual.render(
                OptionSpec.builder(option).description(paragraph(option.description())).build(),
                labels,
                colours);
  }

  @Override
  public String commandList(Map<String, Help> commands) {
    int names = 4 + commands.keySet().stream().mapToInt(String::length).max().orElse(0);
    int width = commandSpec().usageMessage().width();
    TextTable table =
        TextTable.forColumns(
            colorScheme(),
            new Column(names, 2, Overflow.SPAN),
            new Column(width - names, 2, Overflow.WRAP));
    commands.forEach(
        (name, help) -> {
          String all = paragraph(help.commandSpec().usageMessage().description());
          int end = all.indexOf(". ");
          table.addRowValues(name, end < 0 ? all : all.substring(0, end + 1));
        });
    return table.toString();
  }

  private static String paragraph(String... lines) {
    return String.join(" ", lines);
  }
}
