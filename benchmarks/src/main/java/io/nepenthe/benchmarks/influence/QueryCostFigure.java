package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.Influence;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * What the K + 1 = 51 queries of Δ-Influence cost in one pass over training data, against one
 * query: the least seconds of several passes, which alternate. The queries are preconditioned
 * before; what is timed is forward, backward and scores.
 */
final class QueryCostFigure implements Figure {
  private static final Extent IMAGE = Extent.image(Glyphs.SIDE, Glyphs.SIDE, 1);
  private static final int[] COUNTS = {1, 51};
  private static final double SECONDS = 15;
  private static final int LEAST = 3;

  @Override
  public List<String> parts() {
    return List.of("cost");
  }

  @Override
  public List<String> data() {
    return List.of("lenet", "resnet9");
  }

  @Override
  public void measure(Backend backend, String name, long seed, Sink sink) {
    boolean small = name.equals("lenet");
    Network network = small ? Architectures.lenet(IMAGE, 10) : Architectures.resnet9(IMAGE, 10, 64);
    Dataset examples =
        Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, small ? 2048 : 128, seed);
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    try (Model model = Model.initialise(network, seed);
        InverseCurvature inverse = InverseCurvature.identity(model);
        Queries one = queries(model, backend, inverse, examples, COUNTS[0]);
        Queries all = queries(model, backend, inverse, examples, COUNTS[1])) {
      double[] best = {Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY};
      long start = System.nanoTime();
      for (int i = 0; i < LEAST || System.nanoTime() - start < SECONDS * 1e9; i++) {
        best[0] = Math.min(best[0], seconds(model, backend, one, examples));
        best[1] = Math.min(best[1], seconds(model, backend, all, examples));
      }
      values.put("examples", (double) examples.size());
      values.put("seconds." + COUNTS[0], best[0]);
      values.put("seconds." + COUNTS[1], best[1]);
      values.put("ratio", best[1] / best[0]);
    }
    sink.add("cost", values);
  }

  private static Queries queries(
      Model model, Backend backend, InverseCurvature inverse, Dataset from, int count) {
    return Queries.of(
        model,
        backend,
        inverse,
        Subset.range(from, 0, count - 1),
        Normalisation.of(from),
        Measurement.MARGIN,
        64,
        Progress.NONE);
  }

  private static double seconds(Model model, Backend backend, Queries queries, Dataset examples) {
    long start = System.nanoTime();
    Influence.pairwise(
            model,
            backend,
            queries,
            examples,
            Normalisation.of(examples),
            Influence.Options.defaults(),
            Progress.NONE)
        .close();
    return (System.nanoTime() - start) * 1e-9;
  }
}
