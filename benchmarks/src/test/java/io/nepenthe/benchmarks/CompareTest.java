package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.benchmarks.Compare.Verdict;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompareTest {
  private static final Report.Protocol PROTOCOL = new Report.Protocol(2, 3, 5, 1);
  private static final Machine MACHINE =
      new Machine("processor", 2, "x86-64-v3", 1L << 30, 1L << 20, "Linux", "25");

  @TempDir Path folder;

  private static Report.Row row(String name, double milliseconds, double interval) {
    return new Report.Row(
        name, Map.of("threads", "1"), milliseconds, interval, 5, 0, 0, "none", 0, Double.NaN);
  }

  private static Report report(Machine machine, Report.Row... rows) {
    return new Report(machine, "abc", "2026-01-01", false, PROTOCOL, Map.of(), List.of(rows));
  }

  private static Verdict verdict(Report.Row before, Report.Row after) {
    return Compare.of(report(MACHINE, before), report(MACHINE, after))
        .changes()
        .getFirst()
        .verdict();
  }

  @Test
  void aDifferenceIsRealBeyondBothIntervalsAndTheFloor() {
    assertEquals(Verdict.SLOWER, verdict(row("a", 100, 1), row("a", 104, 1)));
    assertEquals(Verdict.FASTER, verdict(row("a", 100, 1), row("a", 96, 1)));
    assertEquals(Verdict.SAME, verdict(row("a", 100, 0.1), row("a", 102.9, 0.1)));
    assertEquals(Verdict.SAME, verdict(row("a", 100, 6), row("a", 110, 5)));
    assertEquals(Verdict.SLOWER, verdict(row("a", 100, 5), row("a", 110.1, 5)));
    assertEquals(Verdict.UNKNOWN, verdict(row("a", 100, Double.NaN), row("a", 300, 1)));
  }

  @Test
  void whatOneLacksIsSaid() {
    Compare compare =
        Compare.of(
            report(MACHINE, row("a", 1, 0), row("b", 1, 0)),
            report(MACHINE, row("b", 1, 0), row("c", 1, 0)));
    assertEquals(List.of("a threads=1"), compare.onlyBefore());
    assertEquals(List.of("c threads=1"), compare.onlyAfter());
    assertFalse(compare.anySlower());
    assertTrue(compare.table().contains("c threads=1: only in the second"), compare.table());
  }

  @Test
  void otherMachinesAndQuickRunsAreRefused() {
    Machine other = new Machine("another", 2, "x86-64-v3", 1L << 30, 1L << 20, "Linux", "25");
    Report here = report(MACHINE, row("a", 1, 0));
    assertThrows(
        IllegalArgumentException.class, () -> Compare.of(here, report(other, row("a", 1, 0))));
    Report quick = new Report(MACHINE, "abc", "2026-01-01", true, PROTOCOL, Map.of(), List.of());
    assertThrows(IllegalArgumentException.class, () -> Compare.of(here, quick));
  }

  @Test
  void theExitCodeTellsWhetherAnythingIsSlower() throws Exception {
    Path fast = folder.resolve("fast.json");
    Path slow = folder.resolve("slow.json");
    report(MACHINE, row("a", 1, 0.01)).write(fast);
    report(MACHINE, row("a", 2, 0.01)).write(slow);
    assertEquals(1, Benchmarks.execute("compare", fast.toString(), slow.toString()));
    assertEquals(0, Benchmarks.execute("compare", slow.toString(), fast.toString()));
    assertEquals(report(MACHINE, row("a", 2, 0.01)), Report.read(slow));
  }
}
