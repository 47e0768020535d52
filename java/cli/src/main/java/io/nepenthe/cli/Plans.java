package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import io.nepenthe.curvature.StagePlan;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/** What a pipeline will take, and what a process has taken. */
final class Plans {
  /**
   * The libraries' code and the compiler's, which only a run loads: the peaks of runs of LeNet and
   * of a perceptron, less their plans, were so much above the same process before the run.
   */
  private static final long RUNTIME_BYTES = 70L << 20;

  private Plans() {}

  /** Prints a line a stage, and the most memory of any beside what the process has now. */
  static void show(Run run, List<StagePlan> stages) {
    run.say("%-16s %12s %12s %12s %14s", "stage", "file", "checkpoint", "memory", "operations");
    ArrayNode all = run.result().json().putArray("plan");
    long most = 0;
    for (StagePlan stage : stages) {
      most = Math.max(most, stage.memoryBytes());
      run.say(
          "%-16s %12s %12s %12s %14.3g",
          stage.stage(),
          size(stage.fileBytes()),
          size(stage.checkpointBytes()),
          size(stage.memoryBytes()),
          stage.operations());
      all.addObject()
          .put("stage", stage.stage())
          .put("fileBytes", stage.fileBytes())
          .put("checkpointBytes", stage.checkpointBytes())
          .put("memoryBytes", stage.memoryBytes())
          .put("operations", stage.operations());
    }
    long before = status("VmRSS").orElse(0) + garbage() + RUNTIME_BYTES;
    run.say(
        "peak memory of the process about %s, of which %s for itself, model and data",
        size(before + most), size(before));
    run.result().json().put("plannedPeakBytes", before + most);
  }

  /** What garbage may yet lie in the young generation, which is collected only when it is full. */
  private static long garbage() {
    long left = 0;
    for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
      if (pool.getName().contains("Eden") || pool.getName().contains("Survivor")) {
        long bound = Math.max(pool.getUsage().getMax(), pool.getUsage().getCommitted());
        left += bound - pool.getPeakUsage().getUsed();
      }
    }
    return left;
  }

  /** Records the most memory that this process has had. */
  static void record(Run run) {
    status("VmHWM").ifPresent(peak -> run.result().json().put("peakBytes", peak));
  }

  private static String size(long bytes) {
    return bytes == 0 ? "-" : "%.1f MB".formatted(bytes / 1e6);
  }

  /** A size that the kernel keeps of this process, in bytes; empty where it does not. */
  private static OptionalLong status(String key) {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith(key + ":"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
          .findFirst();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }
}
