package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Queries;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
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
        InverseCurvature inverse = InverseCurvature.identity(model)) {
      QueryPasses passes = new QueryPasses(model, backend, inverse, examples);
      try (Queries one = passes.queries(examples, COUNTS[0]);
          Queries all = passes.queries(examples, COUNTS[1])) {
        double[] best = passes.seconds(List.of(one, all));
        values.put("examples", (double) examples.size());
        values.put("seconds." + COUNTS[0], best[0]);
        values.put("seconds." + COUNTS[1], best[1]);
        values.put("ratio", best[1] / best[0]);
      }
    }
    sink.add("cost", values);
  }
}
