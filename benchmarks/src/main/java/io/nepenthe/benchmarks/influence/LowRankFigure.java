package io.nepenthe.benchmarks.influence;

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
import io.nepenthe.evaluate.LinearDatamodelingScore;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.util.ArrayList;
import java.util.Arrays;
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
  private static final double SECONDS = 15;
  private static final int LEAST = 3;

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
        sink.add("cost", new Passes(model, backend, inverse, training, asked).measure());
      }
    }
  }

  /** One model's passes over its training data. */
  private record Passes(
      Model model, Backend backend, InverseCurvature inverse, Dataset training, Dataset asked) {

    SequencedMap<String, Double> measure() {
      SequencedMap<String, Double> values = new LinkedHashMap<>();
      List<Queries> queries = new ArrayList<>();
      List<String> names = new ArrayList<>();
      try {
        queries.add(queries(1));
        names.add("1");
        queries.add(queries(QUERIES));
        names.add("full");
        for (int rank : RANKS) {
          queries.add(queries.get(1).lowRank(rank));
          names.add(String.valueOf(rank));
        }
        double[] best = new double[queries.size()];
        Arrays.fill(best, Double.POSITIVE_INFINITY);
        long start = System.nanoTime();
        for (int i = 0; i < LEAST || System.nanoTime() - start < SECONDS * 1e9; i++) {
          for (int q = 0; q < best.length; q++) {
            long from = System.nanoTime();
            scores(queries.get(q)).close();
            best[q] = Math.min(best[q], (System.nanoTime() - from) * 1e-9);
          }
        }
        for (int q = 0; q < best.length; q++) {
          values.put("seconds." + names.get(q), best[q]);
        }
        try (InfluenceScores full = scores(queries.get(1))) {
          for (int q = 2; q < best.length; q++) {
            try (InfluenceScores low = scores(queries.get(q))) {
              double[] agreement =
                  IntStream.range(0, QUERIES)
                      .mapToDouble(i -> LinearDatamodelingScore.spearman(row(full, i), row(low, i)))
                      .sorted()
                      .toArray();
              values.put("median." + names.get(q), agreement[QUERIES / 2]);
              values.put("least." + names.get(q), agreement[0]);
            }
          }
        }
        return values;
      } finally {
        queries.forEach(Queries::close);
      }
    }

    private Queries queries(int count) {
      return Queries.of(
          model,
          backend,
          inverse,
          Subset.range(asked, 0, count - 1),
          Normalisation.of(training),
          Measurement.MARGIN,
          64,
          Progress.NONE);
    }

    private InfluenceScores scores(Queries queries) {
      return Influence.pairwise(
          model,
          backend,
          queries,
          training,
          Normalisation.of(training),
          Influence.Options.defaults(),
          Progress.NONE);
    }

    private static double[] row(InfluenceScores scores, int query) {
      double[] row = new double[SIZE];
      for (int j = 0; j < SIZE; j++) {
        row[j] = scores.raw().get((long) query * SIZE + j);
      }
      return row;
    }
  }
}
