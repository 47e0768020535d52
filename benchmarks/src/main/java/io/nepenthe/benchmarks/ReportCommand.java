package io.nepenthe.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes the page and the picture of recorded figures, so that none is typed by hand. */
@Command(
    name = "report",
    mixinStandardHelpOptions = true,
    description = "Writes performance.md and roofline.svg from recorded reports.")
final class ReportCommand implements Callable<Integer> {
  @Option(
      names = {"-d", "--directory"},
      paramLabel = "DIR",
      defaultValue = "docs",
      description = "Where the two files go (${DEFAULT-VALUE}).")
  private Path directory;

  @Option(
      names = {"-s", "--scaling"},
      paramLabel = "FILE",
      description = "What the command scaling wrote.")
  private Optional<Path> scaling = Optional.empty();

  @Option(
      names = {"-g", "--gpu"},
      paramLabel = "FILE",
      description = "What \"run bench\" of the GPU bundle printed.")
  private Optional<Path> gpu = Optional.empty();

  @Option(
      names = {"-r", "--readme"},
      paramLabel = "FILE",
      description = "A file whose table of operations is replaced.")
  private Optional<Path> readme = Optional.empty();

  @Parameters(arity = "1..*", paramLabel = "FILE", description = "Reports, of the same machine.")
  private List<Path> files;

  @Override
  public Integer call() throws IOException {
    List<PerformancePage.Source> sources = new ArrayList<>();
    for (Path file : files) {
      sources.add(new PerformancePage.Source(file.toString(), Report.read(file)));
    }
    Optional<PerformancePage.Growth> growth = Optional.empty();
    if (scaling.isPresent()) {
      Path file = scaling.get();
      growth = Optional.of(new PerformancePage.Growth(file.toString(), Scaling.read(file)));
    }
    Optional<PerformancePage.Gpu> figures = Optional.empty();
    if (gpu.isPresent()) {
      Path file = gpu.get();
      figures = Optional.of(new PerformancePage.Gpu(file.toString(), GpuFigure.read(file)));
    }
    Files.createDirectories(directory);
    Files.writeString(
        directory.resolve("performance.md"), PerformancePage.of(sources, growth, figures));
    List<Report> reports = sources.stream().map(PerformancePage.Source::report).toList();
    Files.writeString(directory.resolve("roofline.svg"), RooflineChart.svg(reports));
    if (readme.isPresent()) {
      List<GpuFigure> ofGpu = figures.map(PerformancePage.Gpu::figures).orElse(List.of());
      Marked.rewrite(readme.get(), page -> ReadmeTable.replace(page, reports, ofGpu));
    }
    return 0;
  }
}
