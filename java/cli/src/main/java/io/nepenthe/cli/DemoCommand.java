package io.nepenthe.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.unlearn.SsdSearch;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
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
  /** A line of the table that is printed, and the metrics in it. */
  private static final String LINE = "%-28s%14s%16s";

  private static final List<String> SHOWN = List.of("/cleanAccuracy", "/attackSuccessRate");

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
      names = "--test",
      paramLabel = "N",
      defaultValue = "2000",
      description = "Test images (default: 2000).")
  private long test;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "10",
      description = "Passes over the training images (default: 10).")
  private int epochs;

  @Override
  void run(Run run) {
    // Of 500 training images ten are poisoned and one of these is known.
    if (train < 500 || train > 10_000_000 || test < 100 || test > 10_000_000) {
      throw new ParameterException(
          spec.commandLine(), "--train takes 500 to 10000000, --test takes 100 to 10000000");
    }
    if (epochs < 1 || epochs > 1000) {
      throw new ParameterException(spec.commandLine(), "--epochs takes 1 to 1000");
    }
    Outputs.requireFolder(out);
    run.resultFile(out.resolve("result.json"));
    try (Demo.Outcome outcome =
        new Demo(run, Demo.Settings.of(train, test, epochs, run.seed())).outcome()) {
      write(run.result().json(), outcome);
      models(run, outcome);
      DemoStory story = new DemoStory(outcome);
      Portrayed.report(
          run,
          out.resolve("report.html"),
          "Nepenthe: a network forgets a backdoor",
          story.lead(),
          outcome.task(),
          outcome.models(),
          story.extras());
      run.result().total(run.elapsed());
      run.result().write(out.resolve("result.json"));
      print(run, outcome);
    }
  }

  private void models(Run run, Demo.Outcome outcome) {
    run.phase(
        "write",
        () -> {
          for (Portrayed model : outcome.models()) {
            Path file = out.resolve(model.name() + ".onnx");
            model.file().write(file);
            run.result().output(file);
          }
        });
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
        .put("parameters", outcome.before().file().model().parameters().count());
    json.set("before", rates(outcome.before()));
    ArrayNode methods = json.putArray("methods");
    methods.add(ssd(outcome));
    methods.add(method(outcome.retrain()));
  }

  /** The rates without what is drawn of them. */
  private static ObjectNode rates(Portrayed model) {
    return model.metrics().deepCopy().without(List.of("classes", "confusion"));
  }

  private static ObjectNode method(Portrayed model) {
    ObjectNode json = JsonNodeFactory.instance.objectNode().put("name", model.name());
    json.setAll(rates(model));
    json.set("seconds", model.seconds());
    return json;
  }

  private static ObjectNode ssd(Demo.Outcome outcome) {
    Demo.Forgotten ssd = outcome.ssd();
    ObjectNode json = method(ssd.model());
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
    return json;
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
    run.say(LINE + "%10s", "", "clean accuracy", "attack success", "time");
    below(run, "", outcome.before(), Intervals::samples);
    line(run, "trained with the backdoor", outcome.before());
    line(run, "forgotten by ssd", outcome.ssd().model());
    line(run, "trained anew, known removed", outcome.retrain());
    run.say("");
    run.say("%s", out.resolve("report.html").toAbsolutePath().normalize());
  }

  private static void line(Run run, String name, Portrayed model) {
    run.say(
        LINE + "%10s",
        name,
        Text.percent(model.rate("cleanAccuracy")),
        Text.percent(model.rate("attackSuccessRate")),
        Text.seconds(model.seconds().get("total").asDouble()));
    below(run, "  95 %", model, Intervals::text);
  }

  private static void below(
      Run run, String title, Portrayed model, BiFunction<JsonNode, String, Optional<String>> what) {
    Intervals.line(LINE, title, model.metrics(), SHOWN, what)
        .ifPresent(line -> run.say("%s", line));
  }
}
