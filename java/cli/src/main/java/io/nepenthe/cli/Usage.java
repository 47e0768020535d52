package io.nepenthe.cli;

import java.util.Map;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Ansi.Text;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.Column.Overflow;
import picocli.CommandLine.Help.TextTable;
import picocli.CommandLine.Model.CommandSpec;

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
    return (option, labels, colours) -> joined(usual.render(option, labels, colours));
  }

  /** One row of the rows that an option takes: the last column of each is a line about it. */
  private static Text[][] joined(Text[][] rows) {
    Text[] row = rows[0].clone();
    int last = row.length - 1;
    for (int i = 1; i < rows.length; i++) {
      row[last] = row[last].concat(" ").concat(rows[i][last]);
    }
    return new Text[][] {row};
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
