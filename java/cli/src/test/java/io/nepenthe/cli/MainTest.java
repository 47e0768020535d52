package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class MainTest {
  @TempDir Path folder;

  @Test
  void doctorSaysWhatWasChosenAndWhatIsMissing() {
    Path file = folder.resolve("doctor.json");
    Nepenthe.Outcome outcome = Nepenthe.run("doctor", "--device", "cpu", "--json", file.toString());
    assertEquals(0, outcome.status(), outcome.err());
    assertEquals("", outcome.err());
    assertTrue(outcome.out().contains("oneDNN"), outcome.out());
    assertTrue(outcome.out().contains("libnepenthe.so"), outcome.out());
    assertTrue(outcome.out().contains("CUDA  "), outcome.out());
    JsonNode result = Nepenthe.json(file);
    assertEquals("doctor", result.get("command").asText());
    assertEquals("cpu", result.get("device").asText());
    assertTrue(result.get("seconds").get("total").asDouble() > 0);
    for (JsonNode check : result.get("checks")) {
      String because = check.get("ok").asBoolean() ? "found" : "remedy";
      assertFalse(check.get(because).asText().isBlank(), check.toString());
    }
  }

  @Test
  void numbersAreTheSameInEveryLanguage() {
    String arabic = "-Duser.language=ar -Duser.country=EG";
    Nepenthe.Outcome outcome =
        Nepenthe.run(Map.of("JAVA_TOOL_OPTIONS", arabic), "doctor", "--device", "cpu");
    assertEquals(0, outcome.status(), outcome.err());
    assertTrue(outcome.out().chars().allMatch(c -> c < 0x600 || c > 0x6ff), outcome.out());
  }

  @Test
  void doctorDoesNotFallBackItReports() {
    assertFalse(Nepenthe.here("doctor").out().contains("running on the processor"));
  }

  @Test
  void doctorSaysHowToMendALibraryThatDoesNotLoad() {
    Nepenthe.Outcome outcome =
        Nepenthe.run(Map.of("NEPENTHE_MAX_ISA", "x86-64-v9"), "doctor", "--quiet");
    assertEquals(1, outcome.status());
    assertEquals("", outcome.out());
    outcome = Nepenthe.run(Map.of("NEPENTHE_MAX_ISA", "x86-64-v9"), "doctor");
    assertTrue(outcome.out().contains("names no instruction-set level"), outcome.out());
    assertTrue(outcome.out().contains("remedy: "), outcome.out());
  }

  @Test
  void cudaIsRefusedInOneLine() {
    Nepenthe.Outcome outcome = Nepenthe.here("doctor", "--device", "cuda:4321");
    assertEquals(1, outcome.status());
    assertEquals(1, outcome.errors().size(), outcome.err());
    assertTrue(outcome.err().contains("--device cuda:4321: "), outcome.err());
    assertTrue(outcome.err().contains("remedy: "), outcome.err());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "frobnicate",
        "doctor --frobnicate",
        "doctor --threads x",
        "doctor --threads 0",
        "doctor --seed 1.5",
        "doctor --device gpu",
        "doctor extra"
      })
  void wrongUsageIsTwo(String line) {
    String[] words = line.isEmpty() ? new String[0] : line.split(" ");
    Nepenthe.Outcome outcome = Nepenthe.here(words);
    assertEquals(2, outcome.status());
    assertEquals(2, outcome.errors().size(), outcome.err());
    assertTrue(outcome.err().contains("Try: nepenthe"), outcome.err());
  }

  /** As where a jar is not whole. */
  @CommandLine.Command(name = "broken")
  static final class Broken extends Operation {
    @Override
    void run(Run run) {
      throw new NoClassDefFoundError("io/nepenthe/Lost");
    }
  }

  @Test
  void anErrorOfTheVirtualMachineIsOneLineToo() {
    StringWriter err = new StringWriter();
    int status =
        new CommandLine(new Broken(), new Creator())
            .setErr(new PrintWriter(err, true))
            .setExecutionExceptionHandler(Failures::report)
            .execute("--device", "cpu");
    assertEquals(1, status);
    assertEquals(1, err.toString().lines().count(), err.toString());
    assertTrue(err.toString().contains("NoClassDefFoundError: io/nepenthe/Lost"), err.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"doctor --device cpu", "--help", "doctor --quiet --json /dev/stdout"})
  void anAnswerThatCouldNotBeWrittenIsAFailure(String line) throws Exception {
    File full = new File("/dev/full");
    Assumptions.assumeTrue(full.exists(), "Linux has a device that is always full");
    Process process = Nepenthe.process(Map.of(), line.split(" ")).redirectOutput(full).start();
    String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(1, process.waitFor(), err);
    assertEquals(1, err.lines().count(), err);
    assertTrue(err.contains("found No space left on device"), err);
  }

  @Test
  void whoReadsThePipeMayHaveEnough() throws Exception {
    Process process = Nepenthe.start(Map.of(), "doctor", "--device", "cpu");
    process.getInputStream().close();
    String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(128 + 13, process.waitFor(), err);
    assertEquals("", err);
  }

  @Test
  void aResultThatCannotBeWrittenIsSaidBeforeTheWork() {
    Nepenthe.Outcome outcome = Nepenthe.here("doctor", "--json", folder.toString());
    assertEquals(1, outcome.status());
    assertEquals("", outcome.out());
    assertEquals(1, outcome.errors().size(), outcome.err());
  }

  @Test
  void everyCommandExplainsItselfWithAnExample() {
    explained(new CommandLine(Main.class, new Creator()));
  }

  private static void explained(CommandLine command) {
    String name = command.getCommandSpec().qualifiedName(" ");
    Nepenthe.Outcome outcome = Nepenthe.here((name + " --help").split(" ", 2)[1].split(" "));
    assertEquals(0, outcome.status(), name + ": " + outcome.err());
    String help = outcome.out();
    assertTrue(help.contains("Example:"), name);
    assertTrue(help.contains("\n  nepenthe "), name);
    boolean hasCommands = !command.getSubcommands().isEmpty();
    for (String option : new String[] {"--device", "--threads", "--seed", "--json", "--quiet"}) {
      assertTrue(hasCommands || help.contains(option), name + " lacks " + option);
    }
    command.getSubcommands().values().forEach(MainTest::explained);
  }

  @Test
  void helpIsInWholeParagraphsAndSaysWhatDataAre() {
    String list = Nepenthe.here("--help").out();
    assertTrue(list.contains("idx:IMAGES[,LABELS]"), list);
    assertTrue(list.contains("-h, --help "), list);
    String words = list.replaceAll("\\s+", " ");
    assertTrue(words.contains("evaluate Measures a model: accuracy, by class too,"), list);
    assertTrue(words.contains("inspect Prints the metadata of a safetensors file,"), list);
    for (String line : words.split(" (?=(evaluate|inspect|unlearn) )")) {
      assertTrue(line.contains("."), "no whole sentence: " + line);
    }
    String help = Nepenthe.here("factors", "--help").out();
    assertTrue(help.lines().anyMatch(line -> line.contains("or true: the data's")), help);
    assertTrue(help.lines().allMatch(line -> line.length() <= 100), help);
  }

  /** Makes what picocli cannot. */
  static final class Creator implements CommandLine.IFactory {
    @Override
    public <K> K create(Class<K> type) throws Exception {
      if (type.isInterface()) {
        return CommandLine.defaultFactory().create(type);
      }
      var constructor = type.getDeclaredConstructor();
      constructor.setAccessible(true);
      return constructor.newInstance();
    }
  }

  @Test
  void theResultFileIsWholeJson() throws Exception {
    Path file = folder.resolve("deeper").resolve("doctor.json");
    Nepenthe.Outcome outcome = Nepenthe.here("doctor", "--quiet", "--json", file.toString());
    assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
    assertTrue(Files.readString(file).endsWith("}\n"));
    assertEquals(1, Nepenthe.json(file).get("seed").asInt());
  }
}
