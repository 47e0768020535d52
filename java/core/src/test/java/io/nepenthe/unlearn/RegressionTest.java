package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Labels;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.evaluate.RegressionError;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.SquaredError;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** A network with one output learns to read a digit as a number, and forgets the eights. */
class RegressionTest {
  private static final Dataset DATA =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 600, 3, 0);
  private static final Normalisation NORMALISATION = Normalisation.of(DATA);
  private static final Network NETWORK = Architectures.mlp(Extent.image(28, 28, 1), 1, 100);
  private static final SquaredError LOSS =
      new SquaredError(IntStream.range(0, 10).mapToDouble(digit -> digit / 10.0).toArray());
  private static final Trainer RECIPE =
      new Trainer(30, 32, Optimiser.adam(1e-3), new Schedule.Cosine(0), LOSS, 1);
  private static final Forgetting TASK =
      Forgetting.where(DATA, i -> DATA.label(i) == 8, NORMALISATION, RECIPE);

  private static double error(Model model, Backend backend, Dataset data) {
    try (Predictor predictor = new Predictor(model, backend, 100)) {
      return RegressionError.of(predictor, data, NORMALISATION, LOSS).meanSquared();
    }
  }

  @Test
  void theMethodsForgetANumber() {
    Optimiser sgd = Optimiser.sgd(2e-3, 0.9, 0);
    List<Method> methods =
        List.of(
            new Retrain(),
            new NegGradPlus(new Steps(4, 32, sgd), 0.95),
            new Masked(
                new RandomLabel(new Steps(6, 32, sgd), RandomLabel.Order.FORGET_FIRST, true), 0.5),
            new BadTeacher(new Steps(6, 32, Optimiser.adam(1e-3)), 1, 1));
    try (Backend backend = Device.cpu(2).open();
        Model trained = Model.initialise(NETWORK, 1)) {
      Trainer.Epoch last =
          RECIPE.train(trained, backend, DATA, NORMALISATION, Trainer.Progress.NONE);
      assertTrue(Double.isNaN(last.accuracy()));
      double known = error(trained, backend, TASK.forget());
      assertTrue(known < 0.005, "known " + known);
      for (Method method : methods) {
        try (Model model = trained.copy()) {
          method.forget(model, backend, TASK, 1, Listener.NONE);
          double gone = error(model, backend, TASK.forget());
          double kept = error(model, backend, TASK.retain());
          assertTrue(gone > 5 * known, method + " forgot " + known + " → " + gone);
          assertTrue(kept < 0.03, method + " kept " + kept);
        }
      }
      for (String name : List.of("ssd", "potion", "scrub-r", "influence", "iau", "datamodel")) {
        Method method = Methods.named(name).published();
        IllegalArgumentException refusal =
            assertThrows(
                IllegalArgumentException.class,
                () -> method.forget(trained, backend, TASK.withHeldOut(DATA), 1, Listener.NONE),
                name + " needs classes");
        assertTrue(refusal.getMessage().contains("regression"), name + ": " + refusal.getMessage());
      }
    }
  }

  @Test
  void ofEqualTargetsNothingIsDetermined() {
    Dataset equal = Datasets.ofClasses(DATA, 3);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(NETWORK, 1);
        Predictor predictor = new Predictor(model, backend, 100)) {
      RegressionError error = RegressionError.of(predictor, equal, NORMALISATION, LOSS);
      assertTrue(error.meanSquared() > 0);
      assertTrue(Double.isNaN(error.determination()), error.toString());
    }
  }

  @Test
  void theImportancesAreThoseOfTheSquaredError() {
    // z = w·x + b with x one pixel: everything by hand.
    Network line = Architectures.mlp(Extent.image(28, 28, 1), 1);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(line, 2);
        Predictor predictor = new Predictor(model, backend, 100);
        Arena arena = Arena.ofConfined()) {
      Dataset some = TASK.forget();
      Tensor outputs = predictor.logits(arena, some, NORMALISATION);
      double squares = 0;
      for (long n = 0; n < some.size(); n++) {
        double slope = 2 * (outputs.get(n) - LOSS.targets()[some.label(n)]);
        squares += slope * slope / some.size();
      }
      // The bias's gradient is the loss's slope itself; the Fisher information of a Gaussian of
      // variance one half is 2, whatever the target; samples drawn from it come near.
      assertEquals(
          squares, bias(model, backend, some, Labels.TRUE, Weighting.LOSS), 1e-5 * squares);
      assertEquals(2, bias(model, backend, some, Labels.EXACT, Weighting.LOSS), 1e-6);
      assertEquals(1, bias(model, backend, some, Labels.TRUE, Weighting.UNIT), 1e-6);
      // The square of a normal number has variance 2, twice that four times over.
      double spread = 2 * Math.sqrt(2.0 / DATA.size());
      assertEquals(2, bias(model, backend, DATA, Labels.SAMPLED, Weighting.LOSS), 4 * spread);
    }
  }

  private static double bias(
      Model model, Backend backend, Dataset data, Labels labels, Weighting weighting) {
    FisherDiagonal.Options options =
        FisherDiagonal.Options.defaults().withLabels(labels).withWeighting(weighting);
    try (FisherDiagonal fisher =
        FisherDiagonal.of(model, backend, data, NORMALISATION, LOSS, options, Progress.NONE)) {
      return fisher.values().all().getLast().value().get(0);
    }
  }

  @Test
  void dampeningForgetsANumber() {
    try (Backend backend = Device.cpu(2).open();
        Model trained = Model.initialise(NETWORK, 1)) {
      RECIPE.train(trained, backend, DATA, NORMALISATION, Trainer.Progress.NONE);
      double known = error(trained, backend, TASK.forget());
      Method ssd =
          new FixedSsd(
              FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT), Ssd.Options.mass(3));
      try (Model model = trained.copy()) {
        ssd.forget(model, backend, TASK, 1, Listener.NONE);
        double gone = error(model, backend, TASK.forget());
        double kept = error(model, backend, TASK.retain());
        assertTrue(gone > 5 * known, "forgot " + known + " → " + gone);
        assertTrue(kept < gone / 3, "kept " + kept + ", forgot " + gone);
      }
      // These know no difference between the eights and the rest here, but they take the task.
      for (String name : List.of("lfssd", "ssd-published", "fisher-forgetting")) {
        try (Model model = trained.copy()) {
          Methods.named(name).published().forget(model, backend, TASK, 1, Listener.NONE);
          assertTrue(model.isFinite(), name);
        }
      }
    }
  }

  @Test
  void theLossIsTheSquareAndItsSlope() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor output = Tensor.copyOf(arena, Shape.of(2, 1), 0.5f, 2);
      Tensor gradient = Tensor.zeros(arena, Shape.of(2, 1));
      double[] losses = new double[2];
      SquaredError loss = new SquaredError(0.25, -1);
      assertEquals(9.0625, loss.evaluate(output, new int[] {0, 1}, losses, gradient));
      assertEquals(0.0625, losses[0]);
      assertEquals(0.5f, gradient.get(0));
      assertEquals(6, gradient.get(1));
      assertThrows(
          IllegalArgumentException.class,
          () -> loss.evaluate(output, new int[] {0, 2}, losses, gradient));
      assertThrows(IllegalArgumentException.class, () -> new SquaredError(Double.NaN));
      assertEquals(new SquaredError(1, 2), new SquaredError(1, 2));
    }
  }
}
