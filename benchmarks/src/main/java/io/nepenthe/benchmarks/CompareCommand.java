package io.nepenthe.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Says which benchmarks became faster or slower between two runs on one machine. */
@Command(
    name = "compare",
    mixinStandardHelpOptions = true,
    description = {
      "Compares two reports of one machine: SAME, FASTER or SLOWER, where a difference is real only"
          + " beyond both runs' intervals and 3 %%.",
      "Exits with 1 if anything became slower."
    })
final class CompareCommand implements Callable<Integer> {
  @Parameters(index = "0", paramLabel = "BEFORE", description = "The earlier report.")
  private Path before;

  @Parameters(index = "1", paramLabel = "AFTER", description = "The later report.")
  private Path after;

  @Override
  public Integer call() throws IOException {
    Compare compare = Compare.of(Report.read(before), Report.read(after));
    System.out.println(compare.table());
    return compare.anySlower() ? 1 : 0;
  }
}
