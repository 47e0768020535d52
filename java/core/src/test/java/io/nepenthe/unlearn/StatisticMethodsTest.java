package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Labels;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class StatisticMethodsTest {
  @Test
  void percentilesInterpolateAndLeaveOutWhatIsNotFinite() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor forget = Tensor.copyOf(arena, Shape.of(6), 4, 0, 1, 2, 3, 5);
      Tensor whole = Tensor.copyOf(arena, Shape.of(6), 1, 0, 1, 1, 1, 0);
      Percentile ratios = new Percentile(forget, whole);
      assertEquals(1, ratios.at(0));
      assertEquals(2.5, ratios.at(50));
      assertEquals(3.7, ratios.at(90), 1e-12);
      assertEquals(4, ratios.at(100));
      Tensor zeros = Tensor.zeros(arena, 6);
      assertThrows(IllegalArgumentException.class, () -> new Percentile(zeros, zeros).at(50));
    }
  }

  @Test
  void theOutlierResistantSearchHealsAndStops() {
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model()) {
      double before = TinyTask.accuracy(model, backend, TinyTask.TEST);
      double known = TinyTask.accuracy(model, backend, TinyTask.task().forget());
      // No held-out data: it needs none.
      Forgetting task =
          Forgetting.corrective(TinyTask.POISONED, TinyTask.NORMALISATION, TinyTask.RECIPE);
      Method method = Settings.with(OutlierResistantSsd.published(), Map.of("stop", "0.2"));
      Trace trace = method.forget(model, backend, task, 1, Listener.NONE);
      double left = TinyTask.accuracy(model, backend, task.forget());
      assertTrue(left <= 0.2 * known, known + " → " + left);
      assertEquals(left, trace.figures().get("forgetAccuracy"));
      assertTrue(trace.figures().get("tries") < 500);
      double healed = TinyTask.healed(model, backend);
      double after = TinyTask.accuracy(model, backend, TinyTask.TEST);
      assertTrue(healed > 0.7, "healed " + healed + ", " + trace.figures());
      assertTrue(after > before - 0.15, before + " → " + after + ", " + trace.figures());
    }
  }

  @Test
  void sampledLabelsOfTheOutlierResistantSearchFollowTheSeed() {
    OutlierResistantSsd once =
        new OutlierResistantSsd(
            FisherDiagonal.Options.defaults().withLabels(Labels.SAMPLED), 0, 1.1, 25, 1);
    Dataset few = Subset.range(TinyTask.CLEAN, 0, 99);
    Forgetting task =
        Forgetting.ofIds(few, new long[] {1, 2, 3}, TinyTask.NORMALISATION, TinyTask.RECIPE);
    List<Double> found = new ArrayList<>();
    try (Backend backend = Device.cpu(2).open()) {
      for (long seed : new long[] {1, 1, 2}) {
        try (Model model = Model.initialise(TinyTask.NETWORK, 1)) {
          Trace trace = once.forget(model, backend, task, seed, Listener.NONE);
          found.add(trace.figures().get("selection"));
        }
      }
    }
    assertEquals(found.get(0), found.get(1));
    assertNotEquals(found.get(0), found.get(2));
  }

  @Test
  void whereNoStrengthIsToleratedTheSearchLeavesTheModelAsItWas() {
    // The only cut dampens nearly all there is.
    SsdSearch ruinous = new SsdSearch(1e-6f, 1e-6f, 2, 0, 0.01, 256);
    SearchedSsd method = new SearchedSsd(SearchedSsd.defaults().importance(), ruinous);
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model();
        Model untouched = TinyTask.model()) {
      Trace trace = method.forget(model, backend, TinyTask.task(), 1, Listener.NONE);
      assertEquals(
          SsdSearch.Verdict.NONE_TOLERATED.ordinal(), trace.figures().get("verdict").intValue());
      assertEquals(0, trace.figures().get("selected"));
      assertArrayEquals(
          untouched.parameters().flat().toArray(), model.parameters().flat().toArray());
    }
  }

  @Test
  void publishedSsdComparesSquaresOfBatchMeans() {
    assertTrue(FixedSsd.published().importance().batchSquared());
    assertEquals(Labels.NONE, FixedSsd.labelFree().importance().labels());
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model();
        Model untouched = TinyTask.model()) {
      Trace trace = FixedSsd.labelFree().forget(model, backend, TinyTask.task(), 1, Listener.NONE);
      double selected = trace.figures().get("selected");
      int changed = 0;
      for (long j = 0; j < model.parameters().count(); j++) {
        changed += model.parameters().flat().get(j) != untouched.parameters().flat().get(j) ? 1 : 0;
      }
      assertTrue(changed <= selected, changed + " of " + selected);
    }
  }

  @Test
  void fisherNoiseHasTheVarianceOfTheFormula() {
    double alpha = 1e-7;
    // Two hundred images are enough for a variance.
    Forgetting task =
        new Forgetting(
            Subset.range(TinyTask.CLEAN, 0, 199),
            Subset.range(TinyTask.CLEAN, 200, 219),
            Optional.empty(),
            TinyTask.NORMALISATION,
            TinyTask.RECIPE);
    FisherForgetting method = new FisherForgetting(alpha, 64);
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model();
        Model before = TinyTask.model();
        FisherDiagonal fisher =
            FisherDiagonal.of(
                model,
                backend,
                task.retain(),
                TinyTask.NORMALISATION,
                FisherDiagonal.Options.defaults().withLabels(Labels.EXACT),
                Progress.NONE)) {
      method.forget(model, backend, task, 3, Listener.NONE);
      // fc1.weight: 120 rows of 400 inputs, v averaged over each row.
      Tensor noise = model.parameters().get("fc1.weight").value();
      Tensor was = before.parameters().get("fc1.weight").value();
      Tensor f = fisher.values().get("fc1.weight").value();
      // Twice: over all weights, and over those whose own F is above their row's mean, which
      // without
      // the average would get less noise.
      double[] chi = new double[2];
      double[] count = new double[2];
      for (int row = 0; row < 120; row++) {
        double variance = 0;
        double mean = 0;
        for (int i = 0; i < 400; i++) {
          variance += alpha * Math.min(1 / (f.get(row * 400L + i) + 1e-8), 1e3) / 400;
          mean += f.get(row * 400L + i) / 400;
        }
        for (int i = 0; i < 400; i++) {
          double x = noise.get(row * 400L + i) - was.get(row * 400L + i);
          for (int k = 0; k < (f.get(row * 400L + i) > mean ? 2 : 1); k++) {
            chi[k] += x * x / variance;
            count[k]++;
          }
        }
      }
      for (int k = 0; k < 2; k++) {
        // χ²: standard deviation √(2n); six of them.
        assertEquals(count[k], chi[k], 6 * Math.sqrt(2 * count[k]));
      }
      // Every tensor's own factors: of the last layer, of one dimension.
      for (Parameters.Parameter parameter : before.parameters().all()) {
        assertVariance(parameter, model, fisher, alpha);
      }
      FisherForgetting none = new FisherForgetting(0, 64);
      none.forget(before, backend, task, 3, Listener.NONE);
      try (Model untouched = TinyTask.model()) {
        assertArrayEquals(
            untouched.parameters().flat().toArray(), before.parameters().flat().toArray());
      }
    }
  }

  private static void assertVariance(
      Parameters.Parameter before, Model model, FisherDiagonal fisher, double alpha) {
    String name = before.spec().name();
    Tensor was = before.value();
    Tensor noise = model.parameters().get(name).value();
    Tensor f = fisher.values().get(name).value();
    boolean vector = was.shape().rank() == 1;
    boolean head = name.startsWith("fc3");
    int inputs = vector ? 1 : (int) was.shape().size(was.shape().rank() - 1);
    double chi = 0;
    for (int first = 0; first < was.elements(); first += inputs) {
      double variance = 0;
      for (int j = first; j < first + inputs; j++) {
        variance += Math.min(1 / (f.get(j) + 1e-8), head ? 1e2 : 1e3) / inputs;
      }
      variance *= alpha * (vector ? 10 : 1) * (head ? 10 : 1);
      for (int j = first; j < first + inputs; j++) {
        double x = (double) noise.get(j) - was.get(j);
        chi += x * x / variance;
      }
    }
    double n = was.elements();
    // χ² of 6 values is below 0.15·6 once in a hundred draws, of ten times less noise mostly.
    assertTrue(chi > 0.15 * n && chi < n + 6 * Math.sqrt(2 * n), name + ": " + chi + " of " + n);
  }

  /** Many draws of a small model: row 1 from variance 10⁻³ around 0, its bias from 10⁻². */
  @Test
  void aForgottenRowIsDrawnAroundZero() {
    Forgetting ones =
        Forgetting.ofClass(SoftmaxByHand.DATA, 1, SoftmaxByHand.PLAIN, SoftmaxByHand.RECIPE);
    double weights = 0;
    double biases = 0;
    int draws = 100;
    try (Backend backend = Device.cpu(1).open()) {
      for (int seed = 0; seed < draws; seed++) {
        try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
          new FisherForgetting(0, 64).forget(model, backend, ones, seed, Listener.NONE);
          for (int i = 0; i < 6; i++) {
            weights += Math.pow(model.parameters().get("fc1.weight").value().get(6 + i), 2);
          }
          biases += Math.pow(model.parameters().get("fc1.bias").value().get(1), 2);
        }
      }
    }
    // χ²: standard deviation √(2n); six of them.
    assertEquals(6 * draws, weights / 1e-3, 6 * Math.sqrt(12 * draws));
    assertEquals(draws, biases / 1e-2, 6 * Math.sqrt(2 * draws));
  }

  /** Its row is still needed, or there is more than one that is not. */
  @Test
  void aClassThatIsForgottenInPartKeepsItsRow() {
    Dataset data = SoftmaxByHand.DATA;
    long[] ones = LongStream.range(0, 60).filter(i -> data.label(i) == 1).toArray();
    long[] but = Arrays.copyOf(ones, ones.length - 1);
    long[] and = LongStream.concat(Arrays.stream(ones), zero(data)).toArray();
    try (Backend backend = Device.cpu(1).open();
        Model before = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
      for (long[] forgotten : new long[][] {but, and}) {
        long[] ids = Arrays.stream(forgotten).map(data::id).toArray();
        Forgetting task = Forgetting.ofIds(data, ids, SoftmaxByHand.PLAIN, SoftmaxByHand.RECIPE);
        try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
          new FisherForgetting(0, 64).forget(model, backend, task, 3, Listener.NONE);
          assertArrayEquals(
              before.parameters().flat().toArray(), model.parameters().flat().toArray());
        }
      }
    }
  }

  /** The last sample of class 0: the first that is forgotten is of class 1. */
  private static LongStream zero(Dataset data) {
    return LongStream.iterate(59, i -> i - 1).filter(i -> data.label(i) == 0).limit(1);
  }

  @Test
  void aForgottenClassLosesItsRow() {
    Forgetting threes =
        Forgetting.ofClass(
            Subset.range(TinyTask.CLEAN, 0, 299), 3, TinyTask.NORMALISATION, TinyTask.RECIPE);
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model()) {
      // No noise but in that row: it is drawn around 0, whatever it was.
      new FisherForgetting(0, 64).forget(model, backend, threes, 3, Listener.NONE);
      double sum = 0;
      for (int i = 0; i < 84; i++) {
        double weight = model.parameters().get("fc3.weight").value().get(3 * 84 + i);
        sum += weight * weight / 1e-3;
      }
      // χ² of 84: standard deviation 13; six of them.
      assertEquals(84, sum, 6 * 13);
      // The others keep theirs.
      try (Model before = TinyTask.model()) {
        for (Parameters.Parameter parameter : before.parameters().all()) {
          boolean head = parameter.spec().name().startsWith("fc3");
          int row = (int) (parameter.value().elements() / parameter.value().shape().size(0));
          Tensor found = model.parameters().get(parameter.spec().name()).value();
          for (int j = 0; j < parameter.value().elements(); j++) {
            boolean drawn = head && j / row == 3;
            boolean same = parameter.value().get(j) == found.get(j);
            assertEquals(!drawn, same, parameter.spec().name() + " " + j);
          }
        }
      }
      double left = TinyTask.accuracy(model, backend, threes.forget());
      assertTrue(left < 0.2, "threes still read: " + left);
    }
  }
}
