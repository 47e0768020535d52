package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The launcher of an unpacked distribution. */
class LauncherTest {
  @TempDir Path folder;

  @Test
  void aJarBesideTheLauncherIsRunAndNothingIsBuilt() throws Exception {
    Path launcher = Path.of("../../nepenthe").toRealPath();
    Path distribution = Files.createDirectory(folder.resolve("a folder"));
    Path copy =
        Files.copy(launcher, distribution.resolve("nepenthe"), StandardCopyOption.COPY_ATTRIBUTES);
    jar(distribution.resolve("nepenthe.jar"));
    Path link = Files.createSymbolicLink(folder.resolve("nepenthe"), copy);
    ProcessBuilder builder =
        new ProcessBuilder(link.toString(), "--version").redirectErrorStream(true);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out);
    assertEquals("nepenthe " + Version.text(), out.strip());
    assertFalse(Files.exists(distribution.resolve("java")));
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
