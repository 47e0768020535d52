package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.curvature.Queries;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.util.Arrays;
import java.util.List;

/** Passes of queries over one model's training data. */
record QueryPasses(Model model, Backend backend, InverseCurvature inverse, Dataset training) {
  private static final double SECONDS = 15;
  private static final int LEAST = 3;

  /** Queries of the first images. */
  Queries queries(Dataset from, int count) {
    return Queries.of(
        model,
        backend,
        inverse,
        Subset.range(from, 0, count - 1),
        Normalisation.of(training),
        Measurement.MARGIN,
        64,
        Progress.NONE);
  }

  /** One pass. */
  InfluenceScores scores(Queries queries) {
    return Influence.pairwise(
        model,
        backend,
        queries,
        training,
        Normalisation.of(training),
        Influence.Options.defaults(),
        Progress.NONE);
  }

  /** The least seconds of several passes of each, which alternate: forward, backward and scores. */
  double[] seconds(List<Queries> all) {
    double[] best = new double[all.size()];
    Arrays.fill(best, Double.POSITIVE_INFINITY);
    long start = System.nanoTime();
    for (int i = 0; i < LEAST || System.nanoTime() - start < SECONDS * 1e9; i++) {
      for (int q = 0; q < best.length; q++) {
        long from = System.nanoTime();
        scores(all.get(q)).close();
        best[q] = Math.min(best[q], (System.nanoTime() - from) * 1e-9);
      }
    }
    return best;
  }
}
