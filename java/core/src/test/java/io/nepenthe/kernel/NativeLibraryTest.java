package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loading: what each failure says, word for word, and what the cache on disk survives. */
class NativeLibraryTest {
  private static final PackagedLibrary PACKAGED = PackagedLibrary.ofThisPlatform();
  private static final String HASH = PACKAGED.headerHash();

  @TempDir static Path cache;
  @TempDir Path folder;
  private static Path library;

  @BeforeAll
  static void extractOnce() {
    library = PACKAGED.extract(cache);
  }

  /** Opens a backend and prints what was loaded, or why nothing was. */
  static final class Opener {
    public static void main(String[] arguments) {
      try (Backend backend = Device.cpu(1).open()) {
        System.out.println(backend.describe());
      } catch (NativeException e) {
        System.out.println(e.getMessage());
        System.exit(3);
      }
    }
  }

  private static void assertFails(Path file, String reason, String cause, String remedy) {
    NativeException failure =
        assertThrows(NativeException.class, () -> NativeLibrary.open(file, "a test", HASH));
    assertEquals(message("a test", file, reason, cause, remedy), failure.getMessage());
  }

  private static String message(
      String origin, Path file, String reason, String cause, String remedy) {
    return "wanted: Nepenthe's native library, from "
        + origin
        + "\ntried: "
        + file
        + ": "
        + reason
        + "\nlikely cause: "
        + cause
        + "\nremedy: "
        + remedy;
  }

  @Test
  void aMissingFile() {
    Path missing = folder.resolve("libnepenthe.so");
    assertFails(
        missing,
        "Can't load library: " + missing,
        "the file does not exist",
        "correct the path, or drop -Dnepenthe.library to use the library in the jar");
  }

  @Test
  void aTextFile() throws IOException {
    Path text = Files.writeString(folder.resolve("libnepenthe.so"), "not a library\n".repeat(99));
    assertFails(
        text,
        text + ": " + text + ": invalid ELF header",
        "the file is damaged, or is not Nepenthe's library for this processor and system",
        "delete it and start again, or build it here: mvn verify");
  }

  @Test
  void anEmptyFile() throws IOException {
    Path empty = Files.createFile(folder.resolve("libnepenthe.so"));
    assertFails(
        empty,
        empty + ": " + empty + ": file too short",
        "the file is damaged, or is not Nepenthe's library for this processor and system",
        "delete it and start again, or build it here: mvn verify");
  }

  @Test
  void aLibraryOfAnotherKind() {
    assertFails(
        library.resolveSibling("libgomp.so.1"),
        "it exports no nep_header_hash: not Nepenthe's library",
        "the file is damaged, or is not Nepenthe's library for this processor and system",
        "delete it and start again, or build it here: mvn verify");
  }

  /** In a process of its own: the linker finds oneDNN by name where it is loaded already. */
  @Test
  void aLibraryWithoutItsNeighbours() throws Exception {
    Path alone = Files.copy(library, folder.resolve("libnepenthe.so"));
    ChildJvm.Outcome outcome = open(List.of("nepenthe.library=" + alone), Map.of());
    assertEquals(3, outcome.status(), outcome.output());
    assertEquals(
        message(
            "-Dnepenthe.library",
            alone,
            alone + ": libdnnl.so.3: cannot open shared object file: No such file or directory",
            "oneDNN's libdnnl.so.3 and libgomp.so.1 are not beside the library",
            "put them beside it, or use the library in the jar, which brings them"),
        outcome.output());
  }

  @Test
  void aLibraryOfAnotherBuild() {
    NativeException failure =
        assertThrows(NativeException.class, () -> NativeLibrary.open(library, "jar", "0123"));
    assertEquals(
        message(
            "jar",
            library,
            "its header hash is " + HASH + ", this jar's is 0123",
            "the library was built from another version of nepenthe.h than the jar",
            "use the library and the jar of one build: mvn verify makes both"),
        failure.getMessage());
  }

  @Test
  void aPlatformWithoutLibrary() {
    NativeException failure =
        assertThrows(NativeException.class, () -> PackagedLibrary.of("plan9-mips"));
    assertEquals(
        message(
            "jar",
            Path.of("/io/nepenthe/native/plan9-mips/native.properties"),
            "no such entry",
            "the jar was built without a native library for plan9-mips",
            "build Nepenthe on this system: mvn verify; supported are Linux on x86-64 and aarch64"),
        failure.getMessage());
  }

  @Test
  void oneDnnsJarIsMissing() throws Exception {
    String without =
        Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(entry -> !Path.of(entry).getFileName().toString().startsWith("dnnl-"))
            .collect(Collectors.joining(File.pathSeparator));
    Map<String, String> emptyCache = Map.of("XDG_CACHE_HOME", folder.toString());
    ChildJvm.Outcome outcome =
        ChildJvm.finish(ChildJvm.start(without, Opener.class, List.of(), emptyCache));
    assertEquals(3, outcome.status());
    assertEquals(
        message(
            "jar",
            Path.of("/org/bytedeco/dnnl/linux-x86_64/libgomp.so.1"),
            "no such entry on the class path",
            "the dependency org.bytedeco:dnnl for linux-x86_64 is missing",
            "add it, with its classifier linux-x86_64, to the class path"),
        outcome.output());
  }

  /** Prints what the best device is without native access. */
  static final class BestOpener {
    public static void main(String[] arguments) {
      System.out.println(Device.Cuda.unavailable(0).orElse("available"));
      Opener.main(arguments);
    }
  }

  @Test
  void nativeAccessIsDenied() throws Exception {
    ChildJvm.Outcome outcome =
        ChildJvm.finish(
            ChildJvm.start(
                "--illegal-native-access=deny",
                System.getProperty("java.class.path"),
                BestOpener.class,
                List.of("nepenthe.library=" + library),
                Map.of()));
    assertEquals(3, outcome.status(), outcome.output());
    String remedy = "start Java with --enable-native-access=ALL-UNNAMED";
    String[] lines = outcome.output().split("\n", 2);
    assertTrue(lines[0].endsWith(": " + remedy), outcome.output());
    String refusal = lines[0].substring(0, lines[0].length() - remedy.length() - 2);
    assertTrue(refusal.startsWith("Illegal native access from "), refusal);
    assertEquals(
        message(
            "-Dnepenthe.library",
            library,
            refusal,
            "Java was started without native access for Nepenthe",
            remedy),
        lines[1]);
  }

  /** Prints the processor, all of it. */
  static final class Whole {
    public static void main(String[] arguments) {
      System.out.println(Device.cpu());
    }
  }

  @Test
  void aMachineOfManyProcessorsIsUsedAsFarAsItGoes() throws Exception {
    Map<String, String> many = Map.of("JDK_JAVA_OPTIONS", "-XX:ActiveProcessorCount=2000");
    ChildJvm.Outcome outcome = ChildJvm.finish(ChildJvm.start(Whole.class, List.of(), many));
    assertEquals(0, outcome.status(), outcome.output());
    assertTrue(outcome.output().endsWith("Cpu[threads=1024]"), outcome.output());
  }

  @Test
  void aUserWithoutHome() throws Exception {
    ChildJvm.Outcome outcome = open(List.of("user.home=?"), Map.of("XDG_CACHE_HOME", ""));
    assertEquals(3, outcome.status(), outcome.output());
    assertEquals(
        message(
            "jar",
            Path.of("?/.cache/nepenthe"),
            "no absolute path",
            "this user has no home folder",
            "set HOME, or XDG_CACHE_HOME, to a folder that can be written"),
        outcome.output());
    assertFalse(Files.exists(Path.of("?")));
  }

  @Test
  void anUnknownInstructionSet() throws Exception {
    ChildJvm.Outcome outcome =
        open(List.of(), Map.of(InstructionSet.CAP_VARIABLE, "avx2", "XDG_CACHE_HOME", "/nowhere"));
    assertEquals(
        new ChildJvm.Outcome(
            3,
            "NEPENTHE_MAX_ISA=avx2 names no instruction-set level; expected one of"
                + " x86-64-v2, x86-64-v3, x86-64-v4, generic"),
        outcome);
  }

  @Test
  void anOverrideThatFailsIsFatal() throws Exception {
    Path missing = folder.resolve("libnepenthe.so");
    ChildJvm.Outcome outcome = open(List.of("nepenthe.library=" + missing), Map.of());
    assertEquals(3, outcome.status(), outcome.output());
    assertEquals(
        message(
            "-Dnepenthe.library",
            missing,
            "Can't load library: " + missing,
            "the file does not exist",
            "correct the path, or drop -Dnepenthe.library to use the library in the jar"),
        outcome.output());
  }

  @Test
  void anOverrideIsUsed() throws Exception {
    ChildJvm.Outcome outcome = open(List.of("nepenthe.library=" + library), Map.of());
    assertEquals(0, outcome.status(), outcome.output());
    assertTrue(
        outcome.output().startsWith("library=" + library + "\norigin=-Dnepenthe.library\nisa="),
        outcome.output());
  }

  @Test
  void aSecondStartReusesTheFilesAndRepairsADamagedLibrary() throws IOException {
    assertEquals("rwx------", mode(library.getParent()));
    List<Path> files = files(library.getParent());
    assertEquals(3, files.size(), files.toString());
    List<Object> identities = identities(files);
    assertEquals(library, PACKAGED.extract(cache));
    assertEquals(identities, identities(files(library.getParent())));

    byte[] intact = Files.readAllBytes(library);
    // Another file, since this process may have mapped the one there.
    Files.delete(library);
    Files.writeString(library, "damaged");
    assertEquals(library, PACKAGED.extract(cache));
    assertArrayEquals(intact, Files.readAllBytes(library));
    assertNotEquals(identities, identities(files(library.getParent())));
    assertEquals(3, files(library.getParent()).size());
  }

  @Test
  void twoProcessesThatStartAtOnceBothWork() throws Exception {
    Map<String, String> environment = Map.of("XDG_CACHE_HOME", folder.toString());
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      processes.add(ChildJvm.start(Opener.class, List.of(), environment));
    }
    Path expected = folder.resolve("nepenthe").resolve(library.getParent().getFileName());
    for (Process process : processes) {
      ChildJvm.Outcome outcome = ChildJvm.finish(process);
      assertEquals(0, outcome.status(), outcome.output());
      assertTrue(
          outcome.output().startsWith("library=" + expected.resolve("libnepenthe.so")),
          outcome.output());
    }
    assertEquals(3, files(expected).size(), "half-written files are left");
    assertEquals("rwx------", mode(expected));
    assertEquals("rwx------", mode(expected.getParent()));
  }

  /** Ninety megabytes each time, where the first start was stopped. */
  @Test
  void aStartThatIsEndedLeavesNoHalfFile() throws Exception {
    Path place = folder.resolve("nepenthe").resolve(library.getParent().getFileName());
    Process process =
        ChildJvm.start(Opener.class, List.of(), Map.of("XDG_CACHE_HOME", folder.toString()));
    while (process.isAlive() && halves(place).isEmpty()) {
      Thread.onSpinWait();
    }
    process.destroy();
    assertEquals(143, process.waitFor());
    assertEquals(List.of(), halves(place));
  }

  @Test
  void whatAKilledStartLeftIsDeleted() throws IOException {
    Path old = Files.writeString(library.resolveSibling("libdnnl.so.31.part"), "half");
    Path young = Files.writeString(library.resolveSibling("libdnnl.so.32.part"), "half");
    Files.setLastModifiedTime(old, FileTime.from(Instant.now().minus(Duration.ofHours(2))));
    Files.delete(library);
    assertEquals(library, PACKAGED.extract(cache));
    assertEquals(List.of(young), halves(library.getParent()));
    Files.delete(young);
  }

  private static List<Path> halves(Path directory) throws IOException {
    return Files.exists(directory)
        ? files(directory).stream().filter(file -> file.toString().endsWith(".part")).toList()
        : List.of();
  }

  @Test
  void aCacheThatCannotBeWritten() throws IOException {
    // A file in the folder's place stops the superuser too.
    Path file = Files.createFile(folder.resolve("nepenthe"));
    Path directory = file.resolve(library.getParent().getFileName());
    NativeException failure = assertThrows(NativeException.class, () -> PACKAGED.extract(file));
    assertEquals(
        message(
            "jar",
            directory,
            "java.nio.file.FileSystemException: " + directory + ": Not a directory",
            "the cache folder cannot be written, or the disk is full",
            "make it writable, free some space, or set XDG_CACHE_HOME to another folder"),
        failure.getMessage());
  }

  private static ChildJvm.Outcome open(List<String> properties, Map<String, String> environment)
      throws IOException, InterruptedException {
    return ChildJvm.finish(ChildJvm.start(Opener.class, properties, environment));
  }

  private static String mode(Path file) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
  }

  private static List<Path> files(Path directory) throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.sorted().toList();
    }
  }

  private static List<Object> identities(List<Path> files) throws IOException {
    List<Object> identities = new ArrayList<>();
    for (Path file : files) {
      identities.add(Files.getAttribute(file, "unix:ino"));
      identities.add(Files.getLastModifiedTime(file));
    }
    return identities;
  }
}
