package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Queries;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.evaluate.LinearDatamodelingScore;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Trainer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/**
 * What 51 queries of low rank cost in one pass over training data, against one query of full rank,
 * and how they order the examples: a LeNet trained on {@value #SIZE} drawn digits, queries of test
 * images under EK-FAC. Times are the least of several passes, which alternate; making the queries
 * is not timed.
 */
final class LowRankFigure implements Figure {
  static final int[] RANKS = {8, 16, 32};
  static final int SIZE = 2_048;
  private static final int QUERIES = 51;

  @Override
  public List<String> parts() {
    return List.of("cost");
  }

  @Override
  public List<String> data() {
    return List.of("lenet");
  }

  @Override
  public void measure(Backend backend, String name, long seed, Sink sink) {
    Dataset training = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, SIZE, seed);
    Dataset asked = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, QUERIES, seed);
    Normalisation normalisation = Normalisation.of(training);
    Extent image = Extent.image(Glyphs.SIDE, Glyphs.SIDE, 1);
    try (Model model = Model.initialise(Architectures.lenet(image, 10), seed)) {
      new Trainer(5, 64, Optimiser.adam(1e-3), seed)
          .train(model, backend, training, normalisation, Trainer.Progress.NONE);
      try (EkFac ekfac =
              Curvatures.ekfac(model, backend, training, normalisation, FactorOptions.defaults());
          InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.relative(0.1))) {
        QueryPasses passes = new QueryPasses(model, backend, inverse, training);
        sink.add("cost", measure(passes, asked));
      }
    }
  }

  private static SequencedMap<String, Double> measure(QueryPasses passes, Dataset asked) {
    List<Queries> queries = new ArrayList<>();
    try {
      queries.add(passes.queries(asked, 1));
      queries.add(passes.queries(asked, QUERIES));
      for (int rank : RANKS) {
        queries.add(queries.get(1).lowRank(rank));
      }
      double[] best = passes.seconds(queries);
      SequencedMap<String, Double> values = new LinkedHashMap<>();
      values.put("seconds.1", best[0]);
      values.put("seconds.full", best[1]);
      for (int r = 0; r < RANKS.length; r++) {
        values.put("seconds." + RANKS[r], best[2 + r]);
      }
      try (InfluenceScores full = passes.scores(queries.get(1))) {
        for (int r = 0; r < RANKS.length; r++) {
          try (InfluenceScores low = passes.scores(queries.get(2 + r))) {
            double[] agreement =
                IntStream.range(0, QUERIES)
                    .mapToDouble(i -> LinearDatamodelingScore.spearman(row(full, i), row(low, i)))
                    .sorted()
                    .toArray();
            values.put("median." + RANKS[r], agreement[QUERIES / 2]);
            values.put("least." + RANKS[r], agreement[0]);
          }
        }
      }
      return values;
    } finally {
      queries.forEach(Queries::close);
    }
  }

  private static double[] row(InfluenceScores scores, int query) {
    double[] row = new double[SIZE];
    for (int j = 0; j < SIZE; j++) {
      row[j] = scores.raw().get((long) query * SIZE + j);
    }
    return row;
  }
}
