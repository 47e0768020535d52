package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
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
      for (String name : List.of("ssd", "fisher-forgetting", "potion")) {
        Method method = Methods.named(name).published();
        assertThrows(
            IllegalArgumentException.class,
            () -> method.forget(trained, backend, TASK, 1, Listener.NONE),
            name + " needs classes");
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
