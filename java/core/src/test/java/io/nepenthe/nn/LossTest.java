package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

class LossTest {
  @Test
  void gradientsAreCentralDifferencesOfEachSamplesLoss() {
    for (Loss loss : List.of(new CrossEntropy(), new MeanSquaredError())) {
      try (Arena arena = Arena.ofConfined()) {
        float[] values = {0.5f, -1, 2, 0.25f, 3, -2, 1, 1, 1};
        int[] labels = {2, 0, 1};
        Tensor output = Tensor.copyOf(arena, Shape.of(3, 3), values);
        Tensor gradient = Tensor.zeros(arena, 3, 3);
        Tensor unused = Tensor.zeros(arena, 3, 3);
        double[] losses = new double[3];
        double total = loss.evaluate(output, labels, losses, gradient);
        assertEquals(losses[0] + losses[1] + losses[2], total);
        float step = 0x1p-10f;
        for (int i = 0; i < 9; i++) {
          double[] above = new double[3];
          double[] below = new double[3];
          output.set(i, values[i] + step);
          loss.evaluate(output, labels, above, unused);
          output.set(i, values[i] - step);
          loss.evaluate(output, labels, below, unused);
          output.set(i, values[i]);
          for (int n = 0; n < 3; n++) {
            double want = n == i / 3 ? gradient.get(i) : 0;
            assertEquals(want, (above[n] - below[n]) / (2 * step), 2e-6, loss + " at " + i);
          }
        }
      }
    }
  }

  @Test
  void crossEntropyIsStable() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor output = Tensor.copyOf(arena, Shape.of(2, 2), 3e4f, -3e4f, 1, 1);
      double[] losses = new double[2];
      Tensor gradient = Tensor.zeros(arena, 2, 2);
      new CrossEntropy().evaluate(output, new int[] {1, 0}, losses, gradient);
      assertEquals(6e4, losses[0]);
      assertEquals(Math.log(2), losses[1], 1e-15);
      assertEquals(1, gradient.get(0));
      assertEquals(-1, gradient.get(1));
      CrossEntropy.softmax(output, output);
      assertEquals(1, output.get(0));
      assertEquals(0.5f, output.get(3));
    }
  }

  @Test
  void refusesLabelsThatAreNoClass() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor output = Tensor.zeros(arena, 1, 2);
      for (int label : new int[] {-1, 2}) {
        assertThrows(
            IllegalArgumentException.class,
            () -> new CrossEntropy().evaluate(output, new int[] {label}, new double[1], output));
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> new CrossEntropy().evaluate(output, new int[0], new double[1], output));
    }
  }

  @Test
  void schedules() {
    Schedule steps = new Schedule.Steps(List.of(2, 3), 0.5);
    assertEquals(1, steps.factor(19, 10, 4));
    assertEquals(0.5, steps.factor(20, 10, 4));
    assertEquals(0.25, steps.factor(39, 10, 4));
    Schedule cosine = new Schedule.Cosine(0.1);
    assertEquals(1, cosine.factor(0, 10, 4));
    assertEquals(0.55, cosine.factor(20, 10, 4), 1e-15);
    assertTrue(cosine.factor(39, 10, 4) < 0.11);
    Schedule warm = new Schedule.WarmUp(2, new Schedule.Linear(0));
    assertEquals(0.05, warm.factor(0, 10, 4));
    assertEquals(1 - 19.0 / 40, warm.factor(19, 10, 4), 1e-15);
    assertEquals(0.5, warm.factor(20, 10, 4), 1e-15);
    assertEquals(1, new Schedule.Constant().factor(7, 10, 4));
  }
}
