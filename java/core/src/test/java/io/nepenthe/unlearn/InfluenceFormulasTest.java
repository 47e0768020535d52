package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.Labels;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.unlearn.InfluenceStep.Curvature;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The steps of unlearning by influence, from gradients in float64. */
class InfluenceFormulasTest {
  private static final Forgetting TASK = SoftmaxByHand.TASK;
  private static final long SEED = 7;

  /** So much damping that H⁻¹ = I/λ: what is left of a step is its gradient. */
  private static final double HUGE = 1e8;

  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = Device.cpu(1).open();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static Model model() {
    return Model.initialise(SoftmaxByHand.NETWORK, 1);
  }

  private static SoftmaxByHand byHand() {
    try (Model model = model()) {
      return SoftmaxByHand.of(model);
    }
  }

  /** Σ ∇ℓ over the samples. */
  private static double[] gradient(Dataset data) {
    SoftmaxByHand hand = byHand();
    for (long i = 0; i < data.size(); i++) {
      hand.add(data, i, data.label(i), 1, SoftmaxByHand.LOSS);
    }
    return hand.gradient();
  }

  /** v = ∇L_D − ∇L_r. */
  private static double[] direction(boolean firstOrder) {
    double m = TASK.forget().size();
    double r = TASK.retain().size();
    double[] forget = gradient(TASK.forget());
    double[] retain = gradient(TASK.retain());
    double[] v = new double[forget.length];
    Arrays.setAll(
        v,
        j -> firstOrder ? forget[j] / (m + r) : (forget[j] + retain[j]) / (m + r) - retain[j] / r);
    return v;
  }

  private static double length(double... v) {
    return Math.sqrt(Arrays.stream(v).map(x -> x * x).sum());
  }

  @Test
  void aStepIsAlongTheDifferenceOfTheTwoMeanGradients() {
    for (boolean firstOrder : new boolean[] {false, true}) {
      double[] v = direction(firstOrder);
      for (Curvature curvature : Curvature.values()) {
        boolean absolute =
            curvature == Curvature.CONJUGATE_GRADIENTS || curvature == Curvature.WOODFISHER;
        InfluenceStep method = new InfluenceStep(curvature, HUGE, HUGE, firstOrder, 30, 20, 7);
        try (Model model = model();
            Model before = model()) {
          Trace trace = method.forget(model, backend, TASK, SEED, Listener.NONE);
          double[] step = new double[v.length];
          for (int j = 0; j < step.length; j++) {
            step[j] = (double) model.parameters().flat().get(j) - before.parameters().flat().get(j);
          }
          // The others' damping is relative to a mean eigenvalue.
          double scale = absolute ? 1 : length(step) / length(v);
          assertTrue(scale > 0.1, curvature + " " + scale);
          for (int j = 0; j < v.length; j++) {
            assertEquals(v[j] * scale, step[j], 1e-6 * scale, curvature + " weight " + j);
          }
          double figure = trace.figures().get("stepLength");
          assertEquals(length(step) / HUGE, figure, 1e-5 * figure, curvature.toString());
        }
      }
    }
  }

  private static double[] step(InfluenceStep method) {
    try (Model model = model();
        Model before = model()) {
      method.forget(model, backend, TASK, SEED, Listener.NONE);
      double[] step = new double[Math.toIntExact(model.parameters().count())];
      for (int j = 0; j < step.length; j++) {
        step[j] = (double) model.parameters().flat().get(j) - before.parameters().flat().get(j);
      }
      return step;
    }
  }

  private static Dataset both() {
    return Datasets.concatenate("both", List.of(TASK.retain(), TASK.forget()));
  }

  /** The inverses themselves are held to their definitions by tests of their own. */
  @Test
  void everyBlockwiseCurvatureIsItsOwn() {
    double rate = 0.5;
    FactorOptions options = FactorOptions.defaults().withBatchSize(7).withSeed(SEED);
    FisherDiagonal.Options sampled =
        FisherDiagonal.Options.defaults()
            .withLabels(Labels.SAMPLED)
            .withBatchSize(7)
            .withSeed(SEED);
    Damping damping = Damping.relative(0.2);
    try (Arena arena = Arena.ofConfined();
        Model model = model();
        KroneckerFactors factors =
            KroneckerFactors.of(
                model, backend, both(), SoftmaxByHand.PLAIN, options, Progress.NONE);
        EkFac ekfac =
            EkFac.of(factors, model, backend, both(), SoftmaxByHand.PLAIN, Progress.NONE);
        FisherDiagonal diagonal =
            FisherDiagonal.of(model, backend, both(), SoftmaxByHand.PLAIN, sampled, Progress.NONE);
        InverseCurvature corrected = InverseCurvature.ekfac(ekfac, damping);
        InverseCurvature plain = InverseCurvature.kfac(ekfac, damping);
        InverseCurvature only = InverseCurvature.diagonal(model, diagonal.values(), damping)) {
      for (Curvature curvature : List.of(Curvature.EKFAC, Curvature.KFAC, Curvature.DIAGONAL)) {
        Parameters expected = model.parameters().zerosLike(arena);
        double[] v = direction(false);
        for (int j = 0; j < v.length; j++) {
          expected.flat().set(j, (float) v[j]);
        }
        (curvature == Curvature.EKFAC ? corrected : curvature == Curvature.KFAC ? plain : only)
            .apply(backend, expected);
        double[] found = step(new InfluenceStep(curvature, rate, 0.2, false, 1, 1, 7));
        double scale = length(found);
        for (int j = 0; j < v.length; j++) {
          assertEquals(
              rate * expected.flat().get(j), found[j], 1e-5 * scale, curvature + " weight " + j);
        }
      }
    }
  }

  /** Multiplied back by (1/N) Σ Jᵀ M J + λ, with M = diag p − ppᵀ, or (p − y)(p − y)ᵀ. */
  @Test
  void conjugateGradientsAndWoodFisherSolveOnSamplesDrawnBySeed() {
    double damping = 0.05;
    int samples = 25;
    Dataset drawn = Datasets.shuffled(both(), SEED);
    double[] v = direction(false);
    for (Curvature curvature : List.of(Curvature.CONJUGATE_GRADIENTS, Curvature.WOODFISHER)) {
      double[] x = step(new InfluenceStep(curvature, 1, damping, false, samples, 60, 7));
      double[] back = new double[x.length];
      Arrays.setAll(back, j -> damping * x[j]);
      SoftmaxByHand hand = byHand();
      SoftmaxByHand along = byHand();
      System.arraycopy(x, 0, along.theta(), 0, x.length);
      for (int n = 0; n < samples; n++) {
        double[] u = along.logits(SoftmaxByHand.pixels(drawn, n));
        hand.add(
            drawn,
            n,
            drawn.label(n),
            1.0 / samples,
            (id, label, z, slope) -> {
              double[] p = SoftmaxByHand.softmax(z, 1);
              boolean empirical = curvature == Curvature.WOODFISHER;
              double product = 0;
              for (int c = 0; c < p.length; c++) {
                product += (empirical ? p[c] - (c == label ? 1 : 0) : p[c]) * u[c];
              }
              for (int c = 0; c < p.length; c++) {
                slope[c] =
                    empirical ? (p[c] - (c == label ? 1 : 0)) * product : p[c] * (u[c] - product);
              }
              return 0;
            });
      }
      for (int j = 0; j < v.length; j++) {
        // Conjugate gradients end at a thousandth of ‖v‖.
        double found = back[j] + hand.gradient()[j];
        assertEquals(v[j], found, 1.1e-3 * length(v), curvature + " weight " + j);
      }
    }
  }

  /** The figure that tells how far conjugate gradients came. */
  @Test
  void conjugateGradientsTellWhatIsLeft() {
    InfluenceStep one = new InfluenceStep(Curvature.CONJUGATE_GRADIENTS, 1, 1e-2, false, 60, 1, 7);
    InfluenceStep more =
        new InfluenceStep(Curvature.CONJUGATE_GRADIENTS, 1, 1e-2, false, 60, 30, 7);
    double[] left = new double[2];
    for (int k = 0; k < 2; k++) {
      try (Model model = model()) {
        InfluenceStep method = k == 0 ? one : more;
        left[k] =
            method.forget(model, backend, TASK, SEED, Listener.NONE).figures().get("residual");
      }
    }
    assertTrue(left[0] > 0.05 && left[1] <= 1e-3, left[0] + ", " + left[1]);
  }

  @Test
  void influenceApproximationIsOneStepOfGradients() {
    double[] forget = gradient(TASK.forget());
    double[] retain = gradient(TASK.retain());
    double rate = 0.5;
    for (boolean adam : new boolean[] {false, true}) {
      SoftmaxByHand hand = byHand();
      for (int j = 0; j < forget.length; j++) {
        double g = retain[j] / TASK.retain().size() - forget[j] / TASK.forget().size();
        assertTrue(Math.abs(g) > 1e-5, "a sign that rounding does not decide");
        hand.theta()[j] -= rate * (adam ? Math.signum(g) : g);
      }
      try (Model model = model()) {
        new InfluenceApproximation(rate, adam).forget(model, backend, TASK, SEED, Listener.NONE);
        if (adam) {
          for (int j = 0; j < forget.length; j++) {
            // |g| / (|g| + 10⁻⁸)
            assertEquals(hand.theta()[j], model.parameters().flat().get(j), 1e-3);
          }
        } else {
          hand.assertIs(model.parameters());
        }
      }
    }
  }

  /** Of a linear model a prediction to first order is exact: the answers with θ + v. */
  @Test
  void datamodelMatchingFollowsWhatThePredictedWeightsAnswer() {
    double[] v = direction(false);
    SoftmaxByHand target = byHand();
    SoftmaxByHand hand = byHand();
    for (int j = 0; j < v.length; j++) {
      target.theta()[j] += v[j];
    }
    Dataset part = Datasets.split(TASK.retain(), 0.5, SEED).first();
    Mixed mixed = new Mixed(TASK.forget(), part);
    double rate = 2;
    for (int e = 0; e < 3; e++) {
      hand.pass(
          mixed.both(),
          10,
          SEED,
          e,
          rate,
          (id, _, z, slope) ->
              SoftmaxByHand.distance(target.answer(mixed.both(), id), 1, z, slope));
    }
    InfluenceStep influence = new InfluenceStep(Curvature.WOODFISHER, HUGE, HUGE, false, 30, 20, 7);
    DatamodelMatching method =
        new DatamodelMatching(new Steps(3, 10, Optimiser.sgd(rate, 0, 0)), 0.5, influence);
    try (Model model = model()) {
      method.forget(model, backend, TASK, SEED, Listener.NONE);
      hand.assertIs(model.parameters());
    }
  }
}
