package io.nepenthe.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes what the command line's own examples gave into the pages that show them. */
@Command(
    name = "examples",
    mixinStandardHelpOptions = true,
    description =
        "Writes the table of seeds in ssd.md and the example on MNIST in the README from recorded"
            + " results.")
final class ExamplesCommand implements Callable<Integer> {
  @Option(
      names = {"-s", "--ssd"},
      paramLabel = "FILE",
      defaultValue = "docs/ssd.md",
      description = "The page with the table of seeds (${DEFAULT-VALUE}).")
  private Path ssd;

  @Option(
      names = {"-r", "--readme"},
      paramLabel = "FILE",
      defaultValue = "README.md",
      description = "The page with the example on MNIST (${DEFAULT-VALUE}).")
  private Path readme;

  @Parameters(
      paramLabel = "DIR",
      description = "demo-N.json of every seed N, and mnist-*.json and mnist.txt, if recorded.")
  private Path recorded;

  @Override
  public Integer call() throws IOException {
    ExamplePages pages = new ExamplePages(recorded);
    Marked.rewrite(ssd, pages::ssd);
    Marked.rewrite(readme, pages::readme);
    return 0;
  }
}
