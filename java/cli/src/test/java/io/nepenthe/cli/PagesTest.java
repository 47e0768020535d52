package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** What README.md and docs/ tell to type is there: commands, options, profiles, properties. */
class PagesTest {
  private static final Path ROOT = Path.of("..", "..");

  /** Of Maven and its plugins, not of this project's poms. */
  private static final Set<String> MAVENS_OWN =
      Set.of("skipTests", "test", "argLine", "surefire.failIfNoSpecifiedTests");

  private static final Pattern SPAN = Pattern.compile("`([^`]+)`");
  private static final Pattern COMMAND =
      Pattern.compile(
          "(?:^|\\s)(?:\\./)?nepenthe((?: +(?![&|;>])(?:\"[^\"]*\"|'[^']*'|[^ #]\\S*))+)");
  private static final Pattern WORD = Pattern.compile("\"[^\"]*\"|'[^']*'|\\S+");
  private static final Pattern OPTION = Pattern.compile("(?<![\\w-])--[a-z][a-z-]*");

  /** Programs, scripts and poms, one after the other. */
  private static String sources;

  @BeforeAll
  static void readSources() throws IOException {
    StringBuilder text = new StringBuilder();
    for (String place :
        new String[] {"java", "benchmarks", "native", "cmake", "nepenthe", "pom.xml"}) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(place))) {
        for (Path file : files.filter(PagesTest::isSource).toList()) {
          text.append(Files.readString(file, StandardCharsets.UTF_8)).append('\n');
        }
      }
    }
    sources = text.toString();
  }

  private static boolean isSource(Path file) {
    String name = file.toString();
    return Files.isRegularFile(file)
        && !name.contains("/target/")
        && (name.endsWith("nepenthe")
            || name.matches(".*\\.(java|cpp|h|cu|cuh|xml|sh|txt|cmake|json)"))
        && !name.contains("/results/");
  }

  static List<Path> pages() throws IOException {
    try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
      return Stream.concat(
              Stream.of(ROOT.resolve("README.md")),
              docs.filter(file -> file.toString().endsWith(".md")).sorted())
          .toList();
    }
  }

  /** The lines of code blocks, continued ones joined, and what stands in backquotes. */
  private static List<String> code(Path page) throws IOException {
    List<String> code = new ArrayList<>();
    StringBuilder prose = new StringBuilder();
    boolean fenced = false;
    for (String line : Files.readString(page).replaceAll("\\\\\n\\s*", " ").lines().toList()) {
      if (line.startsWith("```")) {
        fenced = !fenced;
      } else if (fenced || line.startsWith("    ")) {
        code.add(line.strip().replaceAll("\\s+# .*", ""));
      } else {
        prose.append(line).append('\n');
      }
    }
    assertEquals(false, fenced, page + ": a code block without end");
    SPAN.matcher(prose).results().forEach(span -> code.add(span.group(1).replaceAll("\\s+", " ")));
    return code;
  }

  private static CommandLine commandLine() {
    return new CommandLine(Main.class, new MainTest.Creator())
        .setCaseInsensitiveEnumValuesAllowed(true);
  }

  @ParameterizedTest
  @MethodSource("pages")
  void everyCommandIsUnderstood(Path page) throws IOException {
    for (String line : code(page)) {
      Matcher command = COMMAND.matcher(line);
      if (command.find() && !command.group(1).startsWith(" COMMAND")) {
        understood(page, command.group(1).strip());
      }
    }
  }

  private static void understood(Path page, String line) {
    String[] words =
        WORD.matcher(line)
            .results()
            .map(MatchResult::group)
            .map(word -> word.matches("\".*\"|'.*'") ? word.substring(1, word.length() - 1) : word)
            .toArray(String[]::new);
    String which = page + ": " + line;
    if (Arrays.asList(words).contains("…")) {
      CommandLine command = commandLine().getSubcommands().get(words[0]);
      assertTrue(command != null, which);
      known(which, command, words);
      return;
    }
    try {
      CommandLine.ParseResult parsed = commandLine().parseArgs(words);
      assertTrue(parsed.hasSubcommand() || parsed.hasMatchedOption("--help"), which);
    } catch (CommandLine.ParameterException e) {
      // What the user would be told.
      throw new AssertionError(which + ": " + e.getMessage(), e);
    }
  }

  private static void known(String which, CommandLine command, String... words) {
    for (String word : words) {
      if (OPTION.matcher(word).matches()) {
        assertTrue(command.getCommandSpec().findOption(word) != null, which + ": " + word);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("pages")
  void everyOptionIsOne(Path page) throws IOException {
    CommandLine all = commandLine();
    Set<String> options =
        Stream.concat(
                Stream.of(all),
                all.getSubcommands().values().stream()
                    .flatMap(
                        c -> Stream.concat(Stream.of(c), c.getSubcommands().values().stream())))
            .flatMap(command -> command.getCommandSpec().options().stream())
            .flatMap(option -> Stream.of(option.names()))
            .collect(Collectors.toCollection(HashSet::new));
    for (String line : code(page)) {
      String[] words = line.split(" ");
      CommandLine command = all.getSubcommands().get(words[0]);
      if (command != null && words.length > 1 && words[1].startsWith("--")) {
        known(page + ": " + line, command, words);
      } else if (words[0].startsWith("--")) {
        // Of the virtual machine, or of the programs in benchmarks/.
        boolean own = options.contains(words[0]) || sources.contains("\"" + words[0] + "\"");
        boolean javas = words[0].startsWith("--enable-native-access=");
        assertTrue(own || javas, page + ": " + line);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("pages")
  void everyProfileAndPropertyExists(Path page) throws IOException {
    for (String line : code(page)) {
      if (line.contains("mvn ")) {
        found("(?<= -P)[\\w-]+", line)
            .forEach(
                profile ->
                    assertTrue(
                        !found("<profile>\\s*(?:<!--[^>]*-->)?\\s*<id>" + profile + "<", sources)
                            .isEmpty(),
                        page + ": -P" + profile));
      }
      for (String property : found("(?<=(?<![\\w-])-D)[a-z][\\w.]*", line)) {
        boolean read =
            property.startsWith("nepenthe.")
                ? sources.contains("\"" + property + "\"")
                : sources.contains("${" + property + "}") || MAVENS_OWN.contains(property);
        assertTrue(read, page + ": -D" + property);
      }
      for (String variable : found("NEPENTHE_[A-Z_]+(?==|$)", line)) {
        assertTrue(
            !found("[\"${]" + variable + "(?![A-Z_])", sources).isEmpty(), page + ": " + variable);
      }
    }
  }

  private static List<String> found(String regex, String line) {
    return Pattern.compile(regex).matcher(line).results().map(MatchResult::group).toList();
  }

  @Test
  void theReadmeBeginsWithACommandAndQuotesMessages() throws IOException {
    List<String> code = code(ROOT.resolve("README.md"));
    List<String> commands = code.stream().filter(line -> line.startsWith("./nepenthe ")).toList();
    assertEquals("./nepenthe demo --out out", commands.getFirst());
    assertTrue(commands.size() >= 6, commands.toString());
    assertTrue(code.contains("needs JDK 25 or newer, found none: …"));
    assertTrue(code.contains("no NVIDIA driver on this machine: libcuda.so.1 was not found"));
  }
}
