package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.nn.Model;
import io.nepenthe.unlearn.SsdSearch;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The main job end to end on generated data. */
@Command(
    name = "demo",
    description = {
      "Trains a network on generated digits, some of which carry a backdoor; then makes it forget.",
      "A tenth of the poisoned images is known. Forgetting by selective synaptic dampening is",
      "compared with training anew without the known ones. Needs no download and about a minute."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe demo --out out",
      "",
      "Writes report.html, result.json and the models to the folder."
    })
final class DemoCommand extends Operation {
  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "out",
      description = "Where to write (default: out).")
  private Path out;

  @Option(
      names = "--train",
      paramLabel = "N",
      defaultValue = "10000",
      description = "Training images (default: 10000).")
  private long train;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "10",
      description = "Passes over the training images (default: 10).")
  private int epochs;

  @Override
  void run(Run run) {
    if (train < 1000 || train > 10_000_000 || epochs < 1 || epochs > 1000) {
      throw new ParameterException(
          spec.commandLine(), "--train takes 1000 to 10000000, --epochs takes 1 to 1000");
    }
    Outputs.requireFolder(out);
    try (Demo.Outcome outcome =
        new Demo(run, Demo.Settings.of(train, epochs, run.seed())).outcome()) {
      run.result().describe(DoctorCommand.describe(run.backend().describe()));
      write(run.result().json(), outcome);
      models(run, outcome);
      report(run, outcome);
      run.result().total(run.elapsed());
      run.result().write(out.resolve("result.json"));
      print(run, outcome);
    }
  }

  private void models(Run run, Demo.Outcome outcome) {
    run.phase(
        "write",
        () -> {
          model(run, outcome, "before.onnx", outcome.before().model());
          model(run, outcome, "ssd.onnx", outcome.ssd().model());
          model(run, outcome, "retrain.onnx", outcome.retrain().model());
        });
  }

  private void model(Run run, Demo.Outcome outcome, String name, Model model) {
    Path file = out.resolve(name);
    ModelFile.of(model, outcome.data().normalisation()).write(file);
    run.result().output(file);
  }

  private void report(Run run, Demo.Outcome outcome) {
    Path file = out.resolve("report.html");
    String html =
        Report.html(
            outcome,
            List.of(
                "Made by: nepenthe demo --train %d --epochs %d --seed %d, on the processor in float32."
                    .formatted(train, epochs, run.seed()),
                "The figures and all settings are in result.json beside this page.",
                "nepenthe %s, Java %s".formatted(Version.text(), Runtime.version())));
    AtomicFile.write(file, to -> to.write(html.getBytes(StandardCharsets.UTF_8)));
    run.result().output(file);
  }

  private static void write(ObjectNode json, Demo.Outcome outcome) {
    Demo.Settings settings = outcome.settings();
    json.putObject("task")
        .put("kind", outcome.data().backdoor().kind())
        .put("known", settings.known())
        .put("poisoned", outcome.data().training().manipulatedIds().length)
        .put("train", settings.train())
        .put("test", settings.test())
        .put("heldOut", settings.heldOut())
        .put("target", settings.target())
        .put("forget", outcome.data().training().knownIds().length)
        .put("architecture", "lenet")
        .put("parameters", outcome.before().model().parameters().count());
    outcome.before().measured().to(json.putObject("before"));
    ArrayNode methods = json.putArray("methods");
    ssd(methods.addObject(), outcome);
    Demo.Trained retrain = outcome.retrain();
    retrain
        .measured()
        .to(methods.addObject().put("name", "retrain"))
        .putObject("seconds")
        .put("total", retrain.seconds());
  }

  private static void ssd(ObjectNode json, Demo.Outcome outcome) {
    Demo.Forgotten ssd = outcome.ssd();
    ssd.measured()
        .to(json.put("name", "ssd"))
        .putObject("seconds")
        .put("total", ssd.seconds())
        .put("statistics", ssd.statistics())
        .put("search", ssd.search())
        .put("updates", ssd.update());
    json.putObject("setting")
        .put("selection", ssd.dampened().options().selection())
        .put("dampening", ssd.dampened().options().dampening())
        .put("scale", ssd.dampened().options().scale().name())
        .put("factor", ssd.dampened().factor())
        .put("verdict", ssd.found().verdict().name());
    json.put("selected", ssd.dampened().selected());
    curve(json, ssd.found());
    ArrayNode layers = json.putArray("layers");
    for (Demo.Layer layer : outcome.layers()) {
      layers
          .addObject()
          .put("name", layer.name())
          .put("parameters", layer.parameters())
          .put("selected", layer.selected())
          .put("zeroed", layer.zeroed());
    }
  }

  /** Adds every cut that was tried. */
  private static void curve(ObjectNode json, SsdSearch.Found found) {
    ArrayNode curve = json.putArray("curve");
    for (SsdSearch.Cut cut : found.cuts()) {
      curve
          .addObject()
          .put("selection", cut.selection())
          .put("selectedFraction", cut.selected())
          .put("heldOutAccuracy", cut.heldOutAccuracy())
          .put("forgetAccuracy", cut.forgetAccuracy());
    }
  }

  private void print(Run run, Demo.Outcome outcome) {
    run.say("");
    run.say("%-28s%14s%16s%10s", "", "clean accuracy", "attack success", "time");
    line(run, "trained with the backdoor", outcome.before().measured(), outcome.before().seconds());
    line(run, "forgotten by ssd", outcome.ssd().measured(), outcome.ssd().seconds());
    line(
        run,
        "trained anew, known removed",
        outcome.retrain().measured(),
        outcome.retrain().seconds());
    run.say("");
    run.say("%s", out.resolve("report.html").toAbsolutePath().normalize());
  }

  private static void line(Run run, String name, Measured measured, double seconds) {
    run.say(
        "%-28s%14s%16s%10s",
        name,
        Text.percent(measured.cleanAccuracy()),
        Text.percent(measured.attackSuccessRate()),
        Text.seconds(seconds));
  }
}
