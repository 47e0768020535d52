package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.ImageShape;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The device's benchmark runs on the emulator, where it says that nothing was measured. */
class CudaMeasureTest {
  private static final Pattern KERNEL = Pattern.compile("(?m)^KERNEL\\w*\\([^,]+, (nep_\\w+),");

  /** Of sizes so small that the whole takes seconds. */
  private static final int DIVISOR = 1 << 20;

  @TempDir private Path folder;

  @AfterEach
  void stopEmulating() {
    System.clearProperty(Device.Cuda.PROPERTY);
    System.clearProperty(EmulatedDriver.CHECKS_PROPERTY);
  }

  @Test
  void everyKernelHasALineAndNoneAFigureOnTheEmulator() throws Exception {
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Path file = folder.resolve("launches.jfr");
    try (Recording recording = new Recording()) {
      recording.enable(CudaLaunchEvent.class).withThreshold(java.time.Duration.ZERO);
      recording.start();
      CudaMeasure.measure(
          DIVISOR,
          List.of(Precision.values()),
          new PrintStream(bytes, true, StandardCharsets.UTF_8));
      recording.stop();
      recording.dump(file);
    }
    List<String> lines = bytes.toString(StandardCharsets.UTF_8).lines().toList();
    for (String line : lines) {
      assertTrue(line.endsWith("\"rate\": \"not measured\"}"), line);
    }
    assertEquals(lines.size(), Set.copyOf(lines).size(), "no line twice");
    Set<String> launched =
        CudaLaunchEventTest.events(file, CudaLaunchEvent.class)
            .map(event -> event.getString("kernel"))
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> unmeasured = kernels();
    unmeasured.removeAll(launched);
    assertEquals(Set.of(), unmeasured);
  }

  @Test
  void wholePassesRunToo() {
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    System.setProperty(EmulatedDriver.CHECKS_PROPERTY, "false");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    CudaPassMeasure.measure(2, new ImageShape(8, 8, 1), 2, List.of(Precision.values()), out);
    List<String> lines = bytes.toString(StandardCharsets.UTF_8).lines().toList();
    assertEquals(2 * Precision.values().length, lines.size());
    for (String line : lines) {
      assertTrue(line.contains("\"samples\": 2, \"seconds\": \"not measured\""), line);
    }
  }

  /** All but the first rungs, which are there to be compared with. */
  private static Set<String> kernels() {
    Set<String> names = new TreeSet<>();
    for (String source : CudaKernels.SOURCES) {
      Matcher kernel = KERNEL.matcher(Repository.read(Repository.path("cuda/" + source + ".cu")));
      while (kernel.find()) {
        if (!kernel.group(1).endsWith("_plain")) {
          names.add(kernel.group(1));
        }
      }
    }
    return names;
  }
}
