package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.LabelNoise;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.detect.Detection;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What influences are for: they find wrong labels, and the curvature makes them truer. */
class MethodTest {
  private static final double DAMPING = 0.01;
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final Extent IMAGE = Extent.image(28, 28, 1);

  @Test
  void selfInfluenceFindsWrongLabels() {
    Dataset clean = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 600, 5, 0.3);
    Manipulated noisy = LabelNoise.of(0.1).apply(clean, 0, 5);
    Dataset data = noisy.dataset();
    Normalisation normalisation = Normalisation.of(data);
    long[] wrong = noisy.manipulatedIds();
    try (Backend backend = Device.cpu().open();
        Model model = Model.initialise(Architectures.mlp(IMAGE, 10, 16), 5)) {
      new Trainer(4, 32, Optimiser.adam(2e-3), 5)
          .train(model, backend, data, normalisation, Trainer.Progress.NONE);
      FactorOptions options = FactorOptions.defaults().withFisher(Labels.SAMPLED);
      try (KroneckerFactors factors =
              KroneckerFactors.of(model, backend, data, normalisation, options, Progress.NONE);
          EkFac ekfac = EkFac.of(factors, model, backend, data, normalisation, Progress.NONE);
          InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
          InfluenceScores self =
              Influence.self(
                  model,
                  backend,
                  inverse,
                  data,
                  normalisation,
                  Influence.Options.defaults(),
                  Progress.NONE)) {
        double[] scores = new double[(int) data.size()];
        boolean[] truth = new boolean[scores.length];
        for (int i = 0; i < scores.length; i++) {
          scores[i] = self.raw().get(i);
          truth[i] = Arrays.binarySearch(wrong, data.id(i)) >= 0;
        }
        double auc = new Detection(scores, new boolean[scores.length]).auc(truth);
        assertTrue(auc > 0.9, "AUC " + auc);
      }
    }
  }

  @Test
  void theBetterTheCurvatureTheNearerToThatOfTheWholeGaussNewton() {
    TinyData data = CurvatureNets.data(60);
    TinyData queries = new TinyData(4, CurvatureNets.IMAGE, 3, 77, 500);
    try (Backend backend = Device.cpu().open();
        Model model = Model.initialise(CurvatureNets.mlp(6), 5)) {
      new Trainer(30, 10, Optimiser.adam(5e-3), 5)
          .train(model, backend, data, PLAIN, Trainer.Progress.NONE);
      double[] exact = exact(model, backend, data, queries);
      Map<String, Double> correlations = new TreeMap<>();
      FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT);
      Damping damping = Damping.absolute(DAMPING);
      try (KroneckerFactors factors =
              KroneckerFactors.of(model, backend, data, PLAIN, options, Progress.NONE);
          EkFac ekfac = EkFac.of(factors, model, backend, data, PLAIN, Progress.NONE);
          FisherDiagonal diagonal =
              FisherDiagonal.of(
                  model,
                  backend,
                  data,
                  PLAIN,
                  FisherDiagonal.Options.defaults().withLabels(Labels.EXACT),
                  Progress.NONE)) {
        Map<String, InverseCurvature> inverses =
            Map.of(
                "ekfac", InverseCurvature.ekfac(ekfac, damping),
                "kfac", InverseCurvature.kfac(ekfac, damping),
                "diagonal", InverseCurvature.diagonal(model, diagonal.values(), damping),
                "identity", InverseCurvature.identity(model));
        inverses.forEach(
            (name, inverse) -> {
              try (inverse;
                  InfluenceScores scores =
                      Influence.pairwise(
                          model,
                          backend,
                          inverse,
                          queries,
                          Measurement.LOSS,
                          data,
                          PLAIN,
                          Influence.Options.defaults(),
                          Progress.NONE)) {
                correlations.put(name, correlation(exact, scores.raw()));
              }
            });
      }
      String all = correlations.toString();
      assertTrue(correlations.get("ekfac") > correlations.get("kfac"), all);
      assertTrue(correlations.get("kfac") > correlations.get("diagonal"), all);
      assertTrue(correlations.get("diagonal") > correlations.get("identity"), all);
    }
  }

  /** By conjugate gradients on all parameters at once. */
  private static double[] exact(Model model, Backend backend, TinyData data, TinyData queries) {
    int n = (int) data.size();
    double[] scores = new double[(int) queries.size() * n];
    GaussNewton curvature = new GaussNewton(model, backend, data, PLAIN, n);
    try (Arena arena = Arena.ofConfined()) {
      for (int q = 0; q < queries.size(); q++) {
        Parameters solved = model.parameters().zerosLike(arena);
        SummedGradient.of(model, backend, queries.part(q, q + 1), PLAIN, 1, Progress.NONE, solved);
        double left = curvature.solve(solved, DAMPING, 1000, 1e-5);
        assertTrue(left < 1e-4, "residual " + left);
        Parameters one = model.parameters().zerosLike(arena);
        for (int j = 0; j < n; j++) {
          SummedGradient.of(model, backend, data.part(j, j + 1), PLAIN, 1, Progress.NONE, one);
          for (long i = 0; i < one.count(); i++) {
            scores[q * n + j] += (double) solved.flat().get(i) * one.flat().get(i);
          }
        }
      }
    }
    return scores;
  }

  /** Pearson's. */
  private static double correlation(double[] a, Tensor b) {
    double n = a.length;
    double meanA = Arrays.stream(a).average().orElseThrow();
    double meanB = 0;
    for (int i = 0; i < n; i++) {
      meanB += b.get(i) / n;
    }
    double both = 0;
    double ownA = 0;
    double ownB = 0;
    for (int i = 0; i < n; i++) {
      double x = a[i] - meanA;
      double y = b.get(i) - meanB;
      both += x * y;
      ownA += x * x;
      ownB += y * y;
    }
    return both / Math.sqrt(ownA * ownB);
  }
}
