package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.unlearn.InfluenceStep.Curvature;
import java.util.List;
import java.util.function.DoubleFunction;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;

/** Every number of a method at both sides of its limits. */
class SettingLimitsTest {
  private static final double LEAST = Double.MIN_VALUE;
  private static final double ABOVE = Math.nextUp(1.0);
  private static final double INFINITE = Double.POSITIVE_INFINITY;
  private static final double NAN = Double.NaN;
  private static final FisherDiagonal.Options FISHER = FisherDiagonal.Options.defaults();
  private static final Steps STEPS = new Steps(3, 8, Optimiser.sgd(0.1, 0, 0));
  private static final InfluenceStep EKFAC = InfluenceStep.ekfac();

  private static void accepts(DoubleFunction<?> made, double... values) {
    for (double value : values) {
      assertDoesNotThrow(() -> made.apply(value), () -> "with " + value);
    }
  }

  private static void refuses(DoubleFunction<?> made, double... values) {
    for (double value : values) {
      assertThrows(IllegalArgumentException.class, () -> made.apply(value), () -> "with " + value);
    }
  }

  private static void shares(boolean zero, DoubleFunction<?> made) {
    accepts(made, LEAST, 1);
    refuses(made, -LEAST, ABOVE, NAN);
    if (zero) {
      accepts(made, 0);
    } else {
      refuses(made, 0);
    }
  }

  private static void counts(IntFunction<?> made) {
    assertDoesNotThrow(() -> made.apply(1));
    assertThrows(IllegalArgumentException.class, () -> made.apply(0));
  }

  private static void positive(DoubleFunction<?> made) {
    accepts(made, LEAST, 1e9);
    refuses(made, 0, -1, NAN);
  }

  @Test
  void sharesAreWithinTheirEnds() {
    shares(false, v -> new NegGradPlus(STEPS, v));
    shares(false, v -> new BadTeacher(STEPS, 1, v));
    shares(false, v -> new DatamodelMatching(STEPS, v, EKFAC));
    shares(true, v -> new Masked(new FineTune(STEPS), v));
    shares(true, v -> new Prune(Prune.Scope.ALL_WEIGHTS, v, new FineTune(STEPS)));
    shares(true, v -> new OutlierResistantSsd(FISHER, v, 1.1, 25, 5));
    shares(true, v -> new SsdSearch(2, 1, 2, 0.1f, v, 1));
  }

  @Test
  void countsAreOneAtLeast() {
    counts(n -> new Steps(n, 1, Optimiser.adam(1)));
    counts(n -> new Steps(1, n, Optimiser.adam(1)));
    counts(n -> new Scrub(STEPS, n, 1, 1, 1, 0, List.of(), false));
    counts(n -> new FisherForgetting(0, n));
    counts(n -> new OutlierResistantSsd(FISHER, 0.5, 1.1, 25, n));
    counts(n -> new SsdSearch(2, 1, 2, 0.1f, 0, n));
    counts(n -> new InfluenceStep(Curvature.EKFAC, 1, 1, false, n, 1, 1));
    counts(n -> new InfluenceStep(Curvature.EKFAC, 1, 1, false, 1, n, 1));
    counts(n -> new InfluenceStep(Curvature.EKFAC, 1, 1, false, 1, 1, n));
    counts(n -> new WorstCase(n, 1, 1, 1, 1, 0, false, 1, 0));
    counts(n -> new WorstCase(1, n, 1, 1, 1, 0, false, 1, 0));
    counts(n -> new WorstCase(1, 1, n, 1, 1, 0, false, 1, 0));
    counts(n -> new WorstCase(1, 1, 1, 1, 1, 0, false, n, 0));
  }

  @Test
  void whatMustBePositiveIs() {
    positive(v -> new BadTeacher(STEPS, v, 1));
    positive(v -> new Scrub(STEPS, 1, 1, 1, v, 0, List.of(), false));
    positive(v -> new InfluenceApproximation(v, true));
    positive(v -> new InfluenceStep(Curvature.KFAC, v, 1, false, 1, 1, 1));
    positive(v -> new InfluenceStep(Curvature.KFAC, 1, v, false, 1, 1, 1));
    positive(v -> new OutlierResistantSsd(FISHER, 0.5, 1.1, v, 1));
  }

  @Test
  void otherLimitsHold() {
    accepts(v -> new Scrub(STEPS, 1, 1, 1, 1, (int) v, List.of(), false), 0, 9);
    refuses(v -> new Scrub(STEPS, 1, 1, 1, 1, (int) v, List.of(), false), -1);
    accepts(v -> new FisherForgetting(v, 1), 0, 1e9);
    refuses(v -> new FisherForgetting(v, 1), -LEAST, INFINITE, NAN);
    accepts(v -> new L1Sparse(STEPS, v, 0, false), 0, 1e9);
    refuses(v -> new L1Sparse(STEPS, v, 0, false), -LEAST, INFINITE, NAN);
    accepts(v -> new L1Sparse(STEPS, 1, (int) v, false), 0, 3);
    refuses(v -> new L1Sparse(STEPS, 1, (int) v, false), -1, 4);
    accepts(v -> new OutlierResistantSsd(FISHER, 0.5, v, 1, 1), ABOVE, 9);
    refuses(v -> new OutlierResistantSsd(FISHER, 0.5, v, 1, 1), 1, NAN);
    accepts(v -> new SsdSearch((float) v, 1, 2, 0.1f, 0, 1), 1, 1e9);
    refuses(v -> new SsdSearch((float) v, 1, 2, 0.1f, 0, 1), 0.99, INFINITE, NAN);
    accepts(v -> new SsdSearch(1, (float) v, 2, 0.1f, 0, 1), 1e-9, 1);
    refuses(v -> new SsdSearch(1, (float) v, 2, 0.1f, 0, 1), 0, 1.01, NAN);
    accepts(v -> new SsdSearch(2, 1, (float) v, 0.1f, 0, 1), 1.01, 9);
    refuses(v -> new SsdSearch(2, 1, (float) v, 0.1f, 0, 1), 1, INFINITE, NAN);
  }
}
