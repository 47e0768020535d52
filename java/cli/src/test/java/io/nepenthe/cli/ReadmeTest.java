package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The README's commands are commands. */
class ReadmeTest {
  @Test
  void everyCommandIsUnderstood() throws Exception {
    String text = Files.readString(Path.of("..", "..", "README.md")).replace("\\\n", " ");
    List<String> commands = new ArrayList<>();
    for (String line : text.lines().toList()) {
      if (line.startsWith("./nepenthe ")) {
        commands.add(line.substring("./nepenthe ".length()));
      }
    }
    assertTrue(commands.contains("demo --out out"), "the first command");
    assertTrue(commands.size() >= 5, commands.toString());
    for (String command : commands) {
      // Throws what the user would be told.
      CommandLine.ParseResult parsed =
          new CommandLine(Main.class, new MainTest.Creator())
              .setCaseInsensitiveEnumValuesAllowed(true)
              .parseArgs(command.strip().split("\\s+"));
      assertTrue(parsed.hasSubcommand(), command);
    }
    assertTrue(Arrays.asList(text.split("`")).contains("needs JDK 25 or newer, found none: …"));
    assertTrue(text.contains("libcuda.so.1 was not found"));
  }
}
