package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/**
 * What ptxas makes of every kernel (registers, spills, shared memory) is what cuda/ledger.txt says:
 * a change is seen when it is made, and on purpose. After one, replace the ledger by the file that
 * the failure names.
 */
class CudaLedgerTest {
  private static final int REGISTERS = 65536;
  private static final int STATIC_SHARED = 48 << 10;

  private static final Pattern KERNEL =
      Pattern.compile("Compiling entry function '(\\w+)' for '(sm_\\w+)'");
  private static final Pattern SPILLS =
      Pattern.compile("(\\d+) bytes spill stores, (\\d+) bytes spill loads");
  private static final Pattern USED = Pattern.compile("Used (\\d+) registers(.*)");
  private static final Pattern SHARED = Pattern.compile("(\\d+) bytes smem");

  @Test
  void everyKernelNeedsWhatTheLedgerSays() throws Exception {
    Path logs = Repository.path("target/native/release").resolve("cuda");
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    TreeMap<String, String> found = new TreeMap<>();
    for (String source : CudaKernels.SOURCES) {
      read(Repository.read(logs.resolve(source + ".ptxas")), found);
    }
    assertFalse(found.isEmpty());
    List<String> lines = new ArrayList<>();
    lines.add("# " + Repository.read(logs.resolve("nvcc")).strip());
    lines.add("# kernel, chip: registers, bytes of shared memory, bytes spilled (stored + loaded)");
    found.forEach((kernel, needs) -> lines.add(kernel + ": " + needs));
    Path now = logs.resolve("ledger.txt");
    Files.write(now, lines);
    List<String> spilling = lines.stream().skip(2).filter(line -> !line.endsWith(", 0")).toList();
    assertEquals(List.of(), spilling, "KERNEL_UNSPILLED lets a kernel have its registers");
    List<String> ledger = Repository.read(Repository.path("cuda/ledger.txt")).lines().toList();
    Assumptions.assumeTrue(
        ledger.get(0).equals(lines.get(0)),
        "the ledger is of another compiler: " + ledger.get(0) + ", this is " + lines.get(0));
    assertEquals(String.join("\n", ledger), String.join("\n", lines), "if meant: cp " + now);
  }

  /** A block's registers, which warps take 256 at a time, and its shared memory are to be had. */
  private static void assertLaunches(
      EmulatedDriver driver, String kernel, int registers, int shared) {
    int warps = (driver.threads(kernel) + 31) / 32;
    int taken = warps * ((registers * 32 + 255) / 256) * 256;
    assertTrue(taken <= REGISTERS, kernel + " needs " + taken + " registers a block");
    assertTrue(shared <= STATIC_SHARED, kernel + " has " + shared + " bytes of shared memory");
  }

  @Test
  void everyKernelCanBeLaunched() {
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    try (EmulatedDriver driver = new EmulatedDriver(EmulatedDriver.packaged(), 1)) {
      for (String line :
          Repository.read(Repository.path("cuda/ledger.txt")).lines().skip(2).toList()) {
        String[] needs = line.split("[:,] ");
        assertLaunches(driver, needs[0], Integer.parseInt(needs[2]), Integer.parseInt(needs[3]));
      }
    }
  }

  private static void read(String log, TreeMap<String, String> found) {
    String kernel = "";
    int spilled = 0;
    for (String line : log.lines().toList()) {
      Matcher begins = KERNEL.matcher(line);
      Matcher spills = SPILLS.matcher(line);
      Matcher used = USED.matcher(line);
      if (begins.find()) {
        kernel = begins.group(1) + ", " + begins.group(2);
      } else if (spills.find()) {
        spilled = Integer.parseInt(spills.group(1)) + Integer.parseInt(spills.group(2));
      } else if (used.find() && !kernel.isEmpty()) {
        Matcher shared = SHARED.matcher(used.group(2));
        found.put(
            kernel,
            used.group(1) + ", " + (shared.find() ? shared.group(1) : "0") + ", " + spilled);
      }
    }
  }
}
