package io.nepenthe.benchmarks.influence;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Measures the figures of docs/influence.md, each seed once, into a file of results, and writes the
 * page's tables from it:
 *
 * <pre>
 *   figures = java --enable-native-access=ALL-UNNAMED -cp benchmarks/target/benchmarks.jar \
 *       io.nepenthe.benchmarks.influence.InfluenceFigures
 *   figures FIGURE benchmarks/results/influence.csv FIRST LAST [THREADS]
 *   figures tables benchmarks/results/influence.csv docs/influence.md
 * </pre>
 *
 * <p>MNIST is measured where the environment variable NEPENTHE_DATA names a folder with {@code
 * mnist} in it. What the file has already is not measured again, so a run that was ended is resumed
 * by the same command.
 */
public final class InfluenceFigures {
  private static final Map<String, Figure> FIGURES =
      Map.of(
          "activations", new ActivationFigure(),
          "counterfactual", new CounterfactualFigure(),
          "detection", new DetectionFigure(),
          "lds", new DatamodelingFigure(),
          "low-rank", new LowRankFigure(),
          "mislabel", new MislabelFigure(),
          "order", new LambdaOrderFigure(),
          "queries", new QueryCostFigure());

  private InfluenceFigures() {}

  /** Measures and writes; see above. */
  public static void main(String... arguments) throws IOException {
    Measured.Lines results = new Measured.Lines(Path.of(arguments[1]));
    if (arguments[0].equals("tables")) {
      InfluenceTables.write(results.all(), Path.of(arguments[2]));
      return;
    }
    Figure figure = FIGURES.get(arguments[0]);
    if (figure == null) {
      throw new IllegalArgumentException("no figure is named " + arguments[0]);
    }
    int threads = arguments.length > 4 ? Integer.parseInt(arguments[4]) : 1;
    try (Backend backend = Device.cpu(threads).open()) {
      for (long seed = Long.parseLong(arguments[2]); seed <= Long.parseLong(arguments[3]); seed++) {
        for (String data : figure.data()) {
          Kept kept = new Kept(results, arguments[0], data, seed);
          if (figure.parts().stream().anyMatch(kept::wants)) {
            figure.measure(backend, data, seed, kept);
          }
        }
      }
    }
  }

  private record Kept(Measured.Lines results, String figure, String data, long seed)
      implements Figure.Sink {
    @Override
    public boolean wants(String part) {
      return !results.has(figure, data, seed, part);
    }

    @Override
    public void add(String part, SequencedMap<String, Double> values) {
      if (wants(part)) {
        Measured one = new Measured(figure, data, seed, part, values);
        results.add(one);
        System.out.println(one.line());
      }
    }
  }
}
