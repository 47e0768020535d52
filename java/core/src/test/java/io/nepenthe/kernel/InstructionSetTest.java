package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Runs under every cap (pom.xml): what was chosen must be what cap and processor allow. */
class InstructionSetTest {
  /** What each level adds, as Linux names it (x86-64 psABI, table 3.1; abm holds lzcnt). */
  private static final Map<InstructionSet, Set<String>> FLAGS =
      Map.of(
          InstructionSet.X86_64_V2,
          Set.of("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"),
          InstructionSet.X86_64_V3,
          Set.of("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
          InstructionSet.X86_64_V4,
          Set.of("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"));

  @Test
  @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
  void theHighestLevelThatCapAndProcessorAllowIsChosen() throws Exception {
    String cap = System.getenv(InstructionSet.CAP_VARIABLE);
    Set<String> flags =
        Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
            .filter(line -> line.startsWith("flags"))
            .findFirst()
            .map(line -> Set.of(line.substring(line.indexOf(':') + 1).strip().split("\\s+")))
            .orElseThrow();
    InstructionSet expected = InstructionSet.X86_64_V2;
    for (InstructionSet level :
        List.of(InstructionSet.X86_64_V2, InstructionSet.X86_64_V3, InstructionSet.X86_64_V4)) {
      if (!flags.containsAll(FLAGS.get(level))
          || (cap != null && level.text().compareTo(cap) > 0)) {
        break;
      }
      expected = level;
    }
    Map<String, String> described =
        NativeLibrary.require()
            .describe()
            .lines()
            .map(line -> line.split("=", 2))
            .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
    assertEquals(expected.text(), described.get("isa"));
    assertEquals(cap == null ? "" : cap, described.get("isa.cap"));
    assertTrue(List.of(described.get("isa.supported").split(",")).contains(expected.text()));
  }

  @Test
  void namesAreReadBack() {
    for (InstructionSet level : InstructionSet.values()) {
      assertEquals(level, InstructionSet.parse(level.text(), "test"));
    }
    NativeException refused =
        assertThrows(NativeException.class, () -> InstructionSet.parse("avx2", "NEPENTHE_MAX_ISA"));
    assertEquals(
        "NEPENTHE_MAX_ISA=avx2 names no instruction-set level; expected one of"
            + " x86-64-v2, x86-64-v3, x86-64-v4, generic",
        refused.getMessage());
  }
}
