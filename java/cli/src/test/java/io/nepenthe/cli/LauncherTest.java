package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The launcher, of an unpacked distribution and of a checkout. */
class LauncherTest {
  @TempDir Path folder;

  @Test
  void aJarBesideTheLauncherIsRunAndNothingIsBuilt() throws Exception {
    Path distribution = distribution();
    Path link =
        Files.createSymbolicLink(folder.resolve("nepenthe"), distribution.resolve("nepenthe"));
    assertEquals("nepenthe " + Version.text(), answer(0, start(link, Map.of(), "--version")));
    assertFalse(Files.exists(distribution.resolve("java")));
  }

  /** As a terminal on another machine brings one along. */
  @Test
  void fileNamesAreReadInALocaleThatIsNotThere() throws Exception {
    Map<String, String> locale = Map.of("LC_ALL", "qq_QQ.UTF-8");
    Process process = start(distribution().resolve("nepenthe"), locale, "inspect", "größe\n№");
    String answer = answer(1, process);
    // The shell itself may warn of the locale before.
    String expected = "nepenthe inspect: größe?№: expected a readable file, found no such file";
    assertTrue(answer.endsWith(expected), answer);
  }

  @Test
  void twoFirstUsesAtOnceBuildOnce() throws Exception {
    Path launcher = checkout("sleep 1; cat ../ready.jar > java/cli/target/nepenthe.jar");
    List<Process> both =
        List.of(start(launcher, Map.of(), "--version"), start(launcher, Map.of(), "--version"));
    for (Process process : both) {
      String answer = answer(0, process);
      assertTrue(answer.endsWith("nepenthe " + Version.text()), answer);
    }
    assertEquals(1, Files.readAllLines(folder.resolve("builds")).size());
  }

  /** Else it would find the classes of another one where its own were. */
  @Test
  void aCommandThatRunsKeepsItsJarWhileAnotherIsBuilt() throws Exception {
    Path launcher = checkout("cat ../ready.jar > java/cli/target/nepenthe.jar");
    answer(0, start(launcher, Map.of(), "--version"));
    Path jar = launcher.resolveSibling("java/cli/target/nepenthe.jar");
    Path library = Files.createDirectory(jar.resolveSibling("lib")).resolve("nepenthe-core.jar");
    Files.writeString(library, "library");
    Path running = folder.resolve("running.jar");
    Path runningLibrary = folder.resolve("running-core.jar");
    Files.createLink(running, jar);
    Files.createLink(runningLibrary, library);
    Path source = launcher.resolveSibling("pom.xml");
    Files.setLastModifiedTime(source, FileTime.from(Instant.now().plusSeconds(60)));
    answer(0, start(launcher, Map.of(), "--version"));
    assertEquals(2, Files.readAllLines(folder.resolve("builds")).size());
    assertFalse(Files.isSameFile(running, jar), "written over");
    assertFalse(Files.exists(library), "to be written over");
    assertEquals("library", Files.readString(runningLibrary));
  }

  @Test
  void aBuildThatFailsIsShown() throws Exception {
    String answer = answer(1, start(checkout("echo no compiler; exit 3"), Map.of(), "--version"));
    List<String> lines = answer.lines().toList();
    assertEquals("no compiler", lines.get(1));
    assertTrue(lines.get(2).startsWith("nepenthe: the build failed, see above and "), answer);
  }

  @Test
  void aBuildThatIsInterruptedDidNotFailAndIsMadeAtTheNextStart() throws Exception {
    Path launcher =
        checkout(
            "[ -e ../go ] || { sleep 2; exit 130; }; cat ../ready.jar > java/cli/target/nepenthe.jar");
    // A shell in the background ignores being interrupted, and so would what it starts.
    Process process = start(Path.of("env"), Map.of(), "--default-signal=INT", launcher.toString());
    while (process.isAlive() && !Files.exists(folder.resolve("builds"))) {
      Thread.sleep(10);
    }
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
    String answer = answer(130, process);
    assertTrue(answer.endsWith("nepenthe: the build was interrupted"), answer);
    Files.createFile(folder.resolve("go"));
    answer = answer(0, start(launcher, Map.of(), "--version"));
    assertTrue(answer.endsWith("nepenthe " + Version.text()), answer);
  }

  private Path distribution() throws IOException {
    Path distribution = Files.createDirectory(folder.resolve("a folder"));
    launcher(distribution);
    jar(distribution.resolve("nepenthe.jar"));
    return distribution;
  }

  /** Sources and a Maven that notes a build in {@code builds}, then does this. */
  private Path checkout(String build) throws IOException {
    Path checkout = Files.createDirectory(folder.resolve("a checkout"));
    for (String place : new String[] {"cmake", "native", "cuda", "java/cli/src/main"}) {
      Files.createDirectories(checkout.resolve(place));
    }
    Files.createFile(checkout.resolve("pom.xml"));
    Files.createFile(checkout.resolve("java/cli/pom.xml"));
    jar(folder.resolve("ready.jar"));
    Path maven = Files.createDirectory(folder.resolve("bin")).resolve("mvn");
    Files.writeString(maven, "#!/bin/sh\necho built >> ../builds\n" + build + "\n");
    assertTrue(maven.toFile().setExecutable(true));
    return launcher(checkout);
  }

  private static Path launcher(Path place) throws IOException {
    return Files.copy(
        Path.of("../../nepenthe").toRealPath(),
        place.resolve("nepenthe"),
        StandardCopyOption.COPY_ATTRIBUTES);
  }

  private Process start(Path launcher, Map<String, String> environment, String... arguments)
      throws IOException {
    ProcessBuilder builder = new ProcessBuilder(launcher.toString()).redirectErrorStream(true);
    builder.command().addAll(List.of(arguments));
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().merge("PATH", folder + "/bin", (path, bin) -> bin + ":" + path);
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static String answer(int status, Process process) throws Exception {
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(status, process.waitFor(), out);
    return out.strip();
  }

  /** A jar that leads to the classes under test. */
  private static void jar(Path file) throws IOException {
    Manifest manifest = new Manifest();
    Attributes attributes = manifest.getMainAttributes();
    attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
    attributes.put(Attributes.Name.MAIN_CLASS, Main.class.getName());
    attributes.put(
        Attributes.Name.CLASS_PATH,
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .map(entry -> Path.of(entry).toUri().toString())
            .collect(Collectors.joining(" ")));
    new JarOutputStream(Files.newOutputStream(file), manifest).close();
  }
}
