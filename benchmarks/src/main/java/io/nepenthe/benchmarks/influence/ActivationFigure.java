package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.ActivationPlan;
import io.nepenthe.curvature.Activations;
import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.curvature.Queries;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Progress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * What a pass over training data costs through the model, while it keeps the layers' activations,
 * and when it reads them: the least seconds of several rounds. Queries are preconditioned before.
 */
final class ActivationFigure implements Figure {
  private static final Extent IMAGE = Extent.image(Glyphs.SIDE, Glyphs.SIDE, 1);
  private static final double SECONDS = 3;
  private static final int LEAST = 3;
  private static final int QUERIES = 51;

  /** A network and how many examples pass through it. */
  private record Case(Network network, int examples) {}

  private static final Map<String, Case> CASES =
      Map.of(
          "linear 784-10", new Case(Architectures.mlp(IMAGE, 10), 20_000),
          "MLP 784-1024-1024-1024-10",
              new Case(Architectures.mlp(IMAGE, 10, 1024, 1024, 1024), 1_000),
          "LeNet", new Case(Architectures.lenet(IMAGE, 10), 4_000),
          "ResNet-9 of width 16", new Case(Architectures.resnet9(IMAGE, 10, 16), 256));

  @Override
  public List<String> parts() {
    return List.of("one query", QUERIES + " queries", "self-influence");
  }

  @Override
  public List<String> data() {
    return CASES.keySet().stream().sorted().toList();
  }

  @Override
  public void measure(Backend backend, String name, long seed, Sink sink) {
    Case of = CASES.get(name);
    Dataset examples = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, of.examples, seed);
    Normalisation normalisation = Normalisation.of(examples);
    try (Model model = Model.initialise(of.network, seed);
        InverseCurvature identity = InverseCurvature.identity(model)) {
      for (String part : parts().subList(0, 2)) {
        int count = Integer.parseInt(part.replace("one", "1").split(" ")[0]);
        try (Queries queries =
            Queries.of(
                model,
                backend,
                identity,
                Subset.range(examples, 0, count - 1),
                normalisation,
                Measurement.MARGIN,
                64,
                Progress.NONE)) {
          add(
              sink,
              part,
              model,
              examples,
              options ->
                  Influence.pairwise(
                      model, backend, queries, examples, normalisation, options, Progress.NONE));
        }
      }
      Dataset some = Subset.range(examples, 0, Math.min(of.examples, 500) - 1);
      try (EkFac ekfac =
              Curvatures.ekfac(model, backend, some, normalisation, FactorOptions.defaults());
          InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults())) {
        add(
            sink,
            parts().get(2),
            model,
            examples,
            options ->
                Influence.self(
                    model, backend, inverse, examples, normalisation, options, Progress.NONE));
      }
    }
  }

  private static void add(
      Sink sink,
      String part,
      Model model,
      Dataset examples,
      Function<Influence.Options, InfluenceScores> pass) {
    ActivationPlan plan =
        ActivationPlan.scores(model, FactorOptions.defaults(), examples.size(), 1, Long.MAX_VALUE);
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    values.put("examples", (double) examples.size());
    values.put("bytes", (double) plan.bytes());
    values.put("predicted.model", plan.modelSeconds());
    values.put("predicted.write", plan.writeSeconds());
    values.put("predicted.read", plan.readSeconds());
    double[] best = {Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY};
    Path folder;
    try {
      folder = Files.createTempDirectory("activations");
      long start = System.nanoTime();
      for (int i = 0; i < LEAST || System.nanoTime() - start < SECONDS * 1e9; i++) {
        best[0] = Math.min(best[0], seconds(pass, Activations.none()));
        try (Activations kept = Activations.temporary(folder, System.err::println)) {
          best[1] = Math.min(best[1], seconds(pass, kept));
          best[2] = Math.min(best[2], seconds(pass, kept));
        }
      }
      Files.delete(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    values.put("seconds.model", best[0]);
    values.put("seconds.keeping", best[1]);
    values.put("seconds.reading", best[2]);
    sink.add(part, values);
  }

  private static double seconds(
      Function<Influence.Options, InfluenceScores> pass, Activations activations) {
    long start = System.nanoTime();
    pass.apply(Influence.Options.defaults().withActivations(activations)).close();
    return (System.nanoTime() - start) * 1e-9;
  }
}
