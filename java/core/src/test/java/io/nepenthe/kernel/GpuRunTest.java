package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The bundle's {@code run first}: its order, what fails, what takes too long, and going on. */
class GpuRunTest {
  /** In the place of Java: says what it was asked for; some of it fails, some never ends. */
  private static final String JAVA =
      """
      #!/bin/sh
      case "$*" in
        *CudaDenseTest*) echo "a failure"; exit 1 ;;
        *"CudaMeasure 1 TF32"*) echo "half"; [ -e "$FAKE_QUICK" ] || sleep 60; echo "whole" ;;
        *) echo "did ${*##* }" ;;
      esac
      """;

  private static final Pattern ON_A_DEVICE =
      Pattern.compile("(?m)^@(EmulatedGpu|RequireGpu)|CudaTest[.]everySchedule");

  @TempDir private Path folder;
  private Path results;

  @BeforeEach
  void bundle() throws IOException {
    Path bundle = Files.createDirectories(folder.resolve("bundle"));
    Files.createDirectories(bundle.resolve("runtime/bin"));
    Files.createDirectories(bundle.resolve("tree"));
    Files.copy(Repository.path("cmake/gpu-run.sh"), bundle.resolve("run"));
    executable(bundle.resolve("runtime/bin/java"), JAVA);
    executable(folder.resolve("path/compute-sanitizer"), "#!/bin/sh\necho \"sanitized $2\"\n");
    results = folder.resolve("results");
  }

  private static void executable(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
    assertTrue(file.toFile().setExecutable(true));
  }

  private int first(int seconds) throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            "bash", folder.resolve("bundle/run").toString(), "first", results.toString());
    builder.redirectErrorStream(true).redirectOutput(folder.resolve("out").toFile());
    Map<String, String> environment = builder.environment();
    environment.put("NEPENTHE_SECONDS", "" + seconds);
    environment.put("FAKE_QUICK", folder.resolve("quick").toString());
    environment.put("PYTHON", "no-python-here");
    environment.put("PATH", folder.resolve("path") + ":" + environment.get("PATH"));
    return builder.start().waitFor();
  }

  /** The classes that run on the device where there is one. */
  private static Set<String> onADevice() throws IOException {
    Path tests = Repository.path("java/core/src/test/java/io/nepenthe");
    try (Stream<Path> files = Files.walk(tests)) {
      return files
          .filter(file -> file.toString().matches(".*/\\w+Test[.]java"))
          .filter(file -> ON_A_DEVICE.matcher(Repository.read(file)).find())
          .map(file -> tests.relativize(file).toString().replace("Test.java", "").replace('/', '.'))
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  private List<String> log() throws IOException {
    return Files.readAllLines(results.resolve("first.txt"), StandardCharsets.UTF_8).stream()
        .filter(line -> line.startsWith("== "))
        .map(line -> line.replaceAll(" after \\d+ s.*", ""))
        .toList();
  }

  private String file(String name) throws IOException {
    return Files.readString(results.resolve(name));
  }

  @Test
  void everyPartRunsInItsOrderWhateverFailedBefore() throws Exception {
    Files.createFile(folder.resolve("quick"));
    assertEquals(1, first(1000), file("first.txt"));
    List<String> log = log();
    assertEquals("== doctor ended with 0", log.get(0));
    assertEquals("== tests kernel.CudaDevice ended with 0", log.get(1));
    assertTrue(log.contains("== tests kernel.CudaDense ended with 1"), log.toString());
    assertEquals(
        onADevice(),
        log.stream()
            .filter(line -> line.startsWith("== tests "))
            .map(line -> line.split(" ")[2])
            .collect(Collectors.toCollection(TreeSet::new)),
        "all of cmake/gpu-run.sh");
    int bench = log.indexOf("== bench 1 FP32 ended with 0");
    assertTrue(bench > log.indexOf("== tests unlearn.CudaWorstCase ended with 0"), "" + log);
    assertEquals("== passes ended with 0", log.get(bench + 3));
    assertEquals("== demo ended with 0", log.get(bench + 4));
    assertTrue(log.contains("== sanitizer racecheck kernel.CudaDense ended with 0"), "" + log);
    assertTrue(file("tests.txt").contains("a failure"));
    assertEquals("did FP32\nhalf\nwhole\ndid BF16\n", file("bench.jsonl"));
    assertTrue(file("sanitize.txt").contains("sanitized synccheck"));
    assertTrue(Files.exists(results.resolve("passes.jsonl")));

    assertEquals(1, first(1000));
    assertEquals(log, log()); // nothing ran again
  }

  @Test
  void whatTheTimeCutsOffRunsAgainNextTime() throws Exception {
    Files.createFile(folder.resolve("quick"));
    assertEquals(1, first(1000));
    List<String> until = log();
    until = until.subList(0, until.indexOf("== bench 1 FP32 ended with 0"));
    Files.writeString(
        results.resolve("first.txt"), String.join(" after 1 s\n", until) + " after 1 s\n");
    Files.delete(results.resolve("bench.jsonl"));
    Files.delete(folder.resolve("quick"));

    assertEquals(3, first(16), file("first.txt"));
    List<String> log = log();
    assertEquals("== bench 1 TF32 was cut off", log.get(log.size() - 1));
    assertEquals("did FP32\n", file("bench.jsonl"));
    assertEquals("half\n", file("bench.jsonl.part")); // what there was is not lost
    Files.createFile(folder.resolve("quick"));
    assertEquals(1, first(1000));
    assertEquals("did FP32\nhalf\nwhole\ndid BF16\n", file("bench.jsonl"));
    assertFalse(Files.exists(results.resolve("bench.jsonl.part")));
    assertEquals(log(), log().stream().distinct().toList());
  }
}
