package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.GaussNewton;
import io.nepenthe.curvature.Labels;
import io.nepenthe.curvature.WoodFisher;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Unlearning by influence: solvers against definitions, and what a step does to D_f and D_r. */
class InfluenceMethodsTest {
  private static final Dataset FEW = Subset.range(TinyTask.POISONED.dataset(), 0, 39);

  private static Model small() {
    return Model.initialise(Architectures.mlp(Extent.image(28, 28, 1), 10, 4), 2);
  }

  private static Parameters wave(Arena arena, Model model) {
    Parameters v = model.parameters().zerosLike(arena);
    for (long i = 0; i < v.count(); i++) {
      v.flat().set(i, (float) Math.sin(1 + i % 97));
    }
    return v;
  }

  private static double dot(Tensor a, Tensor b) {
    double sum = 0;
    for (long i = 0; i < a.elements(); i++) {
      sum += (double) a.get(i) * b.get(i);
    }
    return sum;
  }

  @Test
  void woodburyInvertsTheEmpiricalFisherInformation() {
    double damping = 0.3;
    try (Backend backend = Device.cpu(2).open();
        Model model = small();
        Arena arena = Arena.ofConfined();
        Execution execution = new Execution(model, backend, 1, Mode.FROZEN);
        GradientAccumulator gradient = new GradientAccumulator(model, backend)) {
      Parameters v = wave(arena, model);
      Parameters x = wave(arena, model);
      WoodFisher.solve(model, backend, FEW, TinyTask.NORMALISATION, damping, 7, x);
      // Multiply back, a sample at a time: δx + (1/N) Σ g (g·x) must be v.
      double[] back = new double[(int) v.count()];
      for (int i = 0; i < back.length; i++) {
        back[i] = damping * x.flat().get(i);
      }
      double largest = 0;
      for (long n = 0; n < FEW.size(); n++) {
        FEW.pixels(n, execution.input(1).segment(), 0);
        TinyTask.NORMALISATION.apply(execution.input(1).segment(), 0, 784);
        Tensor logits = execution.forward(1);
        Tensor out = execution.outputGradient();
        double sum = 0;
        for (int c = 0; c < 10; c++) {
          sum += Math.exp(logits.get(c));
        }
        for (int c = 0; c < 10; c++) {
          out.set(c, (float) (Math.exp(logits.get(c)) / sum - (c == FEW.label(n) ? 1 : 0)));
        }
        gradient.clear();
        execution.backward(out, gradient);
        double product = dot(gradient.gradient().flat(), x.flat());
        for (int i = 0; i < back.length; i++) {
          back[i] += gradient.gradient().flat().get(i) * product / FEW.size();
        }
        largest = Math.max(largest, dot(gradient.gradient().flat(), gradient.gradient().flat()));
      }
      // The system's condition is (δ + largest)/δ.
      double bound = 1e-6 * (1 + largest / damping);
      for (int i = 0; i < back.length; i++) {
        assertEquals(v.flat().get(i), back[i], bound, "weight " + i);
      }
    }
  }

  @Test
  void conjugateGradientsInvertTheGaussNewtonMatrix() {
    try (Backend backend = Device.cpu(2).open();
        Model model = small();
        Arena arena = Arena.ofConfined()) {
      GaussNewton matrix = new GaussNewton(model, backend, FEW, TinyTask.NORMALISATION, 16);
      // eᵢᵀGeᵢ is the exact Fisher diagonal.
      try (FisherDiagonal diagonal =
          FisherDiagonal.of(
              model,
              backend,
              FEW,
              TinyTask.NORMALISATION,
              FisherDiagonal.Options.defaults().withLabels(Labels.EXACT),
              Progress.NONE)) {
        Parameters.Parameter bias = model.parameters().get("fc2.bias");
        for (int c = 0; c < 3; c++) {
          Parameters unit = model.parameters().zerosLike(arena);
          unit.flat().set(bias.offset() + c, 1);
          Parameters product = model.parameters().zerosLike(arena);
          matrix.multiply(unit, product);
          double expected = diagonal.values().flat().get(bias.offset() + c);
          assertEquals(expected, product.flat().get(bias.offset() + c), 1e-3 * expected);
        }
      }
      Parameters b = wave(arena, model);
      Parameters x = wave(arena, model);
      double left = matrix.solve(x, 0.5, 40, 1e-4);
      assertTrue(left <= 1e-3, "residual " + left);
      Parameters product = model.parameters().zerosLike(arena);
      matrix.multiply(x, product);
      double error = 0;
      for (long i = 0; i < b.count(); i++) {
        double back = product.flat().get(i) + 0.5 * x.flat().get(i);
        error += Math.pow(back - b.flat().get(i), 2);
      }
      double relative = Math.sqrt(error / dot(b.flat(), b.flat()));
      assertTrue(relative < 1e-2, "relative error " + relative);
    }
  }

  private static double loss(Model model, Backend backend, Dataset data) {
    try (Predictor predictor = new Predictor(model, backend, 250)) {
      return predictor.evaluate(data, TinyTask.NORMALISATION).meanLoss();
    }
  }

  @Test
  void aStepRaisesTheLossOfTheForgottenMoreThanOfTheRetained() {
    Forgetting task = TinyTask.task();
    for (Method method :
        new Method[] {
          InfluenceStep.ekfac(),
          new InfluenceStep(InfluenceStep.Curvature.KFAC, 1, 0.1, true, 100, 5, 64),
          new InfluenceStep(InfluenceStep.Curvature.DIAGONAL, 1, 0.1, false, 100, 5, 64),
          new InfluenceStep(InfluenceStep.Curvature.CONJUGATE_GRADIENTS, 1, 0.1, false, 200, 5, 64),
          new InfluenceStep(InfluenceStep.Curvature.WOODFISHER, 1, 0.01, false, 100, 5, 64),
          InfluenceApproximation.published(),
          new InfluenceApproximation(1e-2, false),
          DatamodelMatching.defaults()
        }) {
      try (Backend backend = Device.cpu().open();
          Model model = TinyTask.model()) {
        double forget = loss(model, backend, task.forget());
        double retain = loss(model, backend, task.retain());
        Trace trace = method.forget(model, backend, task, 5, Listener.NONE);
        assertTrue(!trace.seconds().isEmpty());
        double more = loss(model, backend, task.forget()) - forget;
        double other = loss(model, backend, task.retain()) - retain;
        assertTrue(more > 0 && more > other, method + ": " + more + " against " + other);
      }
    }
  }

  @Test
  void refusesWhatIsNoSetting() {
    InfluenceStep.Curvature ekfac = InfluenceStep.Curvature.EKFAC;
    assertThrows(
        IllegalArgumentException.class, () -> new InfluenceStep(ekfac, 0, 1, false, 1, 1, 1));
    assertThrows(
        IllegalArgumentException.class, () -> new InfluenceStep(ekfac, 1, 0, false, 1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new InfluenceApproximation(0, true));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new DatamodelMatching(DatamodelMatching.defaults().steps(), 0, InfluenceStep.ekfac()));
  }

  @Test
  void noInverseIsRefusedRatherThanWritten() {
    // Every gradient twice: their products are a singular matrix but for rounding.
    Dataset twice = Datasets.concatenate("twice", List.of(FEW, FEW));
    try (Backend backend = Device.cpu(1).open();
        Model model = small();
        Arena arena = Arena.ofShared()) {
      Parameters x = wave(arena, model);
      assertThrows(
          IllegalArgumentException.class,
          () -> WoodFisher.solve(model, backend, twice, TinyTask.NORMALISATION, 1e-30, 7, x));
    }
  }
}
