package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;

/**
 * One run of a command: its device, what it prints, its progress, the time of its phases and its
 * result.
 */
final class Run implements AutoCloseable {
  private final long start = System.nanoTime();
  private final CommonOptions common;
  private final PrintWriter out;
  private final PrintWriter err;
  private final ProgressBar progress;
  private final Result result;
  private final Outputs outputs = new Outputs();
  private final Device device;
  private Backend backend;
  private Path resultFile;
  private int exitCode;

  Run(CommandSpec spec, CommonOptions common) {
    this.common = common;
    this.out = spec.commandLine().getOut();
    this.err = spec.commandLine().getErr();
    this.device = common.device();
    this.progress =
        new ProgressBar(
            err,
            common.quiet ? ProgressBar.Style.SILENT : ProgressBar.Style.ofThisProcess(),
            System::nanoTime);
    this.result = new Result(spec, common.seed, common.threads(), device);
    this.resultFile = common.json;
    if (common.json != null) {
      writes(common.json);
    }
  }

  /** Says where the command itself will write its result. */
  void resultFile(Path file) {
    resultFile = file;
  }

  long seed() {
    return common.seed;
  }

  Device device() {
    return device;
  }

  Result result() {
    return result;
  }

  ProgressBar progress() {
    return progress;
  }

  /** The operations of the device, opened at first use. */
  Backend backend() {
    if (backend == null) {
      common.fallback().filter(reason -> !common.quiet).ifPresent(this::explain);
      backend = device.open();
      // The same bits come only from the same instruction set and libraries.
      result.describe(DoctorCommand.describe(backend.describe()));
    }
    return backend;
  }

  /** Beside the progress and not in the answer, which may be read by a program. */
  private void explain(String fallback) {
    err.println("running on the processor: " + fallback);
  }

  /**
   * Says before the work that a file will be written.
   *
   * @throws CommandException if it cannot be, or is read too, or is written already
   */
  void writes(Path file) {
    outputs.writes(file, false);
  }

  /** The same of a model, which may take the place of the one that is read. */
  void writesModel(Path file) {
    outputs.writes(file, true);
  }

  /**
   * Notes a file that is read.
   *
   * @throws CommandException if it is to be written
   */
  void reads(Path file) {
    outputs.reads(file, false);
    result.input(file);
  }

  /** The same of a model. */
  void readsModel(Path file) {
    outputs.reads(file, true);
    result.input(file);
  }

  /**
   * Opens a data set and notes its files.
   *
   * @param spec as on the command line
   */
  Dataset data(String spec) {
    Dataset dataset = DataSource.open(spec, common.seed);
    DataSource.files(spec).forEach(this::reads);
    return dataset;
  }

  /** How a report was made, a line each. */
  List<String> provenance() {
    JsonNode json = result.json();
    StringBuilder options = new StringBuilder();
    json.get("options")
        .properties()
        .forEach(
            option -> {
              String name = " --" + option.getKey();
              switch (option.getValue()) {
                case ObjectNode settings ->
                    settings
                        .properties()
                        .forEach(
                            set ->
                                options
                                    .append(name + " " + set.getKey() + "=")
                                    .append(set.getValue().asText()));
                case BooleanNode flag -> options.append(flag.asBoolean() ? name : "");
                case JsonNode value -> options.append(name).append(' ').append(value.asText());
              }
            });
    List<String> lines = new ArrayList<>();
    lines.add("Made by: nepenthe " + json.get("command").asText() + options);
    JsonNode forgotten = json.at("/task/forgotten");
    if (forgotten.isObject()) {
      lines.add(
          "Forgotten: %s examples; the list of their ids, one a line, has the SHA-256 %s."
              .formatted(
                  Text.count(forgotten.get("ids").size()), forgotten.get("idsSha256").asText()));
    }
    files("Read", "inputs", lines);
    files("Written", "outputs", lines);
    lines.add(
        "On %s, in %s, %d threads; nepenthe %s, Java %s, %s."
            .formatted(
                json.get("device").asText().equals("cpu")
                    ? "the processor"
                    : json.get("device").asText(),
                json.get("precision").asText(),
                common.threads(),
                Version.text(),
                Runtime.version(),
                json.at("/versions/system").asText()));
    lines.add(
        (resultFile == null
                ? "Every figure and setting would be in the file that --json names."
                : "Every figure and setting is in %s.".formatted(resultFile.getFileName()))
            + " Charts: Apache ECharts, embedding: UMAP.");
    return lines;
  }

  private void files(String word, String list, List<String> lines) {
    for (JsonNode file : result.json().get(list)) {
      if (file.has("sha256")) {
        lines.add(
            "%s: %s, SHA-256 %s."
                .formatted(word, file.get("file").asText(), file.get("sha256").asText()));
      }
    }
  }

  /** Prints a line of the command's answer, unless it is to be quiet. */
  void say(String format, Object... arguments) {
    if (!common.quiet) {
      out.println(arguments.length == 0 ? format : String.format(Text.LOCALE, format, arguments));
    }
  }

  /** Does a part of the work and records its wall time under this name. */
  <T> T phase(String name, Supplier<T> work) {
    long began = System.nanoTime();
    T value = work.get();
    result.seconds(name, (System.nanoTime() - began) / 1e9);
    return value;
  }

  /**
   * Does a part of the work that the progress bar follows, and records its wall time.
   *
   * @param name of the time
   * @param shown what the bar says is being done
   * @param total how many units there are to do
   * @param unit what is counted
   * @param work hands its progress on, in these units
   */
  <T> T phase(String name, String shown, long total, String unit, Function<Progress, T> work) {
    progress.start(shown, total, unit);
    T value = phase(name, () -> work.apply((done, all) -> progress.to(done)));
    progress.finish();
    return value;
  }

  /**
   * Trains a model, in place; the bar tells the loss.
   *
   * @param name of the phase
   * @param also hears of every epoch
   * @throws CommandException if it ends in weights that are no numbers
   */
  void train(
      String name,
      Trainer trainer,
      Model model,
      Dataset data,
      Normalisation normalisation,
      Trainer.Progress also) {
    phase(
        name,
        name,
        trainer.epochs() * data.size(),
        "images",
        bar ->
            trainer.train(
                model,
                backend(),
                data,
                normalisation,
                epoch -> {
                  also.finished(epoch);
                  progress.note(String.format(Text.LOCALE, "loss %.3f", epoch.meanLoss()));
                  bar.report((epoch.epoch() + 1) * data.size(), trainer.epochs() * data.size());
                }));
    Traces.requireFinite(model, name, "a smaller --rate");
  }

  /** Does a part of the work and records its wall time under this name. */
  void phase(String name, Runnable work) {
    phase(
        name,
        () -> {
          work.run();
          return name;
        });
  }

  /** Seconds since the command began. */
  double elapsed() {
    return (System.nanoTime() - start) / 1e9;
  }

  /** Ends the command with this status though nothing was thrown. */
  void exitCode(int code) {
    exitCode = code;
  }

  int exitCode() {
    return exitCode;
  }

  /** Writes the result file if one was asked for. */
  void finish() {
    result.total(elapsed());
    if (common.json != null) {
      result.write(common.json);
    }
  }

  @Override
  public void close() {
    progress.finish();
    if (backend != null) {
      backend.close();
    }
  }
}
