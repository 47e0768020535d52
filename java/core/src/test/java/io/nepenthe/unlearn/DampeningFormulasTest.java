package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What SSD and its searches do, from the two importances on, in float64. */
class DampeningFormulasTest {
  private static final FisherDiagonal.Options EACH =
      FisherDiagonal.Options.defaults().withBatchSize(7);

  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = Device.cpu(2).open();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static double[] importance(
      Model model, Dataset data, Forgetting task, FisherDiagonal.Options options) {
    try (FisherDiagonal fisher =
        FisherDiagonal.of(model, backend, data, task.normalisation(), options, Progress.NONE)) {
      return doubles(fisher.values().flat().toArray());
    }
  }

  private static double[] doubles(float... values) {
    double[] doubles = new double[values.length];
    Arrays.setAll(doubles, j -> values[j]);
    return doubles;
  }

  /** No weight is 0, so that all that are dampened change. */
  private static Model model() {
    Model model = Model.initialise(SoftmaxByHand.NETWORK, 1);
    for (int c = 0; c < SoftmaxByHand.CLASSES; c++) {
      model.parameters().get("fc1.bias").value().set(c, 0.25f - 0.125f * c);
    }
    return model;
  }

  /** SSD by its definition. */
  private static double[] dampened(
      double[] theta, double[] whole, double[] forget, Ssd.Options options) {
    double factor =
        options.scale() == Ssd.Scale.MASS
            ? Arrays.stream(whole).sum() / Arrays.stream(forget).sum()
            : 1;
    double[] out = theta.clone();
    for (int j = 0; j < out.length; j++) {
      double own = factor * forget[j];
      double cut = options.selection() * whole[j];
      assertTrue(Math.abs(own - cut) > 1e-5 * cut, "rounding decides about weight " + j);
      if (own > cut) {
        out[j] *= Math.min(options.dampening() * whole[j] / own, options.upper());
      }
    }
    return out;
  }

  @Test
  void theWholeIsOfBothSetsAndTheRuleIsThatOfThePaper() {
    Forgetting task = SoftmaxByHand.TASK;
    Dataset both = Datasets.concatenate("both", List.of(task.retain(), task.forget()));
    for (FisherDiagonal.Options importance :
        List.of(EACH, EACH.withWeighting(Weighting.UNIT), EACH.withBatchSquared())) {
      for (Ssd.Options options :
          List.of(
              new Ssd.Options(0.9f, 0.5f, 0.6f, Ssd.Scale.ABSOLUTE),
              new Ssd.Options(1.05f, 0.5f, 0.45f, Ssd.Scale.MASS))) {
        try (Model model = model();
            Model before = model()) {
          double[] whole = importance(before, both, task, importance);
          double[] forget = importance(before, task.forget(), task, importance);
          double[] theta = doubles(before.parameters().flat().toArray());
          double[] expected = dampened(theta, whole, forget, options);
          Trace trace =
              new FixedSsd(importance, options).forget(model, backend, task, 7, Listener.NONE);
          int changed = 0;
          for (int j = 0; j < theta.length; j++) {
            float found = model.parameters().flat().get(j);
            assertEquals(expected[j], found, 1e-6, options + " weight " + j);
            changed += theta[j] == found ? 0 : 1;
          }
          assertTrue(changed > 0 && changed < theta.length, "changed " + changed);
          assertEquals(changed, trace.figures().get("selected"));
          assertEquals((double) changed / theta.length, trace.figures().get("selectedShare"));
          assertEquals(0, trace.figures().get("nonFinite"));
        }
      }
    }
  }

  @Test
  void everyCutOfTheSearchIsTheModelDampenedByItsStrength() {
    SsdSearch search = new SsdSearch(64, 4, 2, 0.1f, 1, 100);
    Forgetting task = TinyTask.task();
    Dataset judge = Subset.range(TinyTask.TRUSTED, 0, 199);
    FisherDiagonal.Options unit = FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT);
    try (Model model = TinyTask.model();
        FisherDiagonal whole =
            FisherDiagonal.of(
                model,
                backend,
                Subset.range(TinyTask.POISONED.dataset(), 0, 299),
                task.normalisation(),
                unit,
                Progress.NONE);
        FisherDiagonal forget =
            FisherDiagonal.of(
                model, backend, task.forget(), task.normalisation(), unit, Progress.NONE)) {
      SsdSearch.Found found =
          search.search(model, backend, whole, forget, judge, task.forget(), task.normalisation());
      assertEquals(0, found.before().selected());
      assertEquals(Float.POSITIVE_INFINITY, found.before().selection());
      assertEquals(TinyTask.accuracy(model, backend, judge), found.before().heldOutAccuracy());
      assertEquals(
          TinyTask.accuracy(model, backend, task.forget()), found.before().forgetAccuracy());
      List<Float> strengths = new ArrayList<>();
      for (SsdSearch.Cut cut : found.cuts()) {
        strengths.add(cut.selection());
        try (Model copy = model.copy()) {
          Ssd.Outcome outcome =
              Ssd.apply(
                  copy,
                  backend,
                  whole,
                  forget,
                  new Ssd.Options(cut.selection(), 0.1f, 1, Ssd.Scale.MASS));
          assertEquals(
              (double) outcome.selected() / copy.parameters().count(), cut.selected(), 1e-12);
          assertEquals(TinyTask.accuracy(copy, backend, judge), cut.heldOutAccuracy());
          assertEquals(TinyTask.accuracy(copy, backend, task.forget()), cut.forgetAccuracy());
        }
      }
      assertEquals(List.of(64f, 32f, 16f, 8f, 4f), strengths);
      SsdSearch.Cut last = found.cuts().getLast();
      assertTrue(last.selected() > 0 && last.forgetAccuracy() < found.before().forgetAccuracy());
      // Ten classes: by chance one in ten is right.
      assertEquals(search.choose(found.before(), found.cuts(), 0.1), found);
      // What loses more than is tolerated ends it.
      SsdSearch careful = new SsdSearch(64, 4, 2, 0.1f, 0, 100);
      List<SsdSearch.Cut> fewer =
          careful
              .search(model, backend, whole, forget, judge, task.forget(), task.normalisation())
              .cuts();
      assertEquals(found.cuts().subList(0, fewer.size()), fewer);
      for (SsdSearch.Cut cut : fewer) {
        boolean ended = cut == fewer.getLast() && fewer.size() < found.cuts().size();
        assertEquals(ended, cut.heldOutAccuracy() < found.before().heldOutAccuracy());
      }
    }
  }

  @Test
  void exactlyChanceIsCompleteAndExactlyTheToleranceIsTolerated() {
    SsdSearch search = new SsdSearch(8, 1, 2, 0.1f, 0.25, 10);
    SsdSearch.Cut before = new SsdSearch.Cut(Float.POSITIVE_INFINITY, 0, 0.75, 1);
    SsdSearch.Cut edge = new SsdSearch.Cut(8, 0.5, 0.5, 0.125);
    SsdSearch.Found found = search.choose(before, List.of(edge), 0.125);
    assertEquals(SsdSearch.Verdict.COMPLETE, found.verdict());
    assertEquals(new Ssd.Options(8, 0.1f, 1, Ssd.Scale.MASS), found.chosen());
    SsdSearch.Cut second = new SsdSearch.Cut(4, 0.5, 0.5, 0);
    // Of two complete ones the stronger.
    assertEquals(4, search.choose(before, List.of(edge, second), 0.125).chosen().selection());
  }

  @Test
  void theOutlierResistantSearchClimbsPercentileByPercentile() {
    Forgetting task = SoftmaxByHand.TASK;
    FisherDiagonal.Options importance = OutlierResistantSsd.published().importance();
    for (int tries = 1; tries <= 3; tries++) {
      // It stops at no accuracy below 0: all tries are made.
      OutlierResistantSsd method = new OutlierResistantSsd(importance, 0, 1.5, 0.01, tries);
      try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1);
          Model before = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
        double[] retain = importance(before, task.retain(), task, importance);
        double[] forget = importance(before, task.forget(), task, importance);
        Trace trace = method.forget(model, backend, task, 7, Listener.NONE);
        assertTrue(trace.figures().get("forgetAccuracy") > 0, "a case that does not end early");
        double share = 12.0 / 60 / 0.01 * Math.pow(1.5, tries - 1);
        double percent = 100 - Math.log(1 + 100 * share);
        assertEquals(percent, trace.figures().get("percentile"), 1e-9);
        double[] ratios = new double[retain.length];
        Arrays.setAll(ratios, j -> forget[j] / retain[j]);
        Arrays.sort(ratios);
        double place = percent / 100 * (ratios.length - 1);
        int below = (int) place;
        double alpha = ratios[below] + (place - below) * (ratios[below + 1] - ratios[below]);
        assertEquals(alpha, trace.figures().get("selection"), 1e-5 * alpha);
        assertEquals(tries, trace.figures().get("tries"));
        assertEquals(Arrays.stream(ratios).filter(r -> r > alpha).count(), selected(trace));
        double[] theta = doubles(before.parameters().flat().toArray());
        double[] expected =
            dampened(
                theta, retain, forget, new Ssd.Options((float) alpha, 1, 1, Ssd.Scale.ABSOLUTE));
        for (int j = 0; j < theta.length; j++) {
          assertEquals(expected[j], model.parameters().flat().get(j), 1e-6, "weight " + j);
        }
      }
    }
  }

  private static long selected(Trace trace) {
    return Math.round(trace.figures().get("selected"));
  }

  /** As the accuracies of searches that go on tell. */
  @Test
  void theOutlierResistantSearchEndsAsSoonAsItsGoalIsReached() {
    Forgetting task = SoftmaxByHand.TASK;
    double before;
    List<Double> left = new ArrayList<>();
    for (int tries = 1; tries <= 20; tries++) {
      left.add(outlierResistant(task, 0, tries).figures().get("forgetAccuracy"));
    }
    try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1);
        Predictor predictor = new Predictor(model, backend, 12)) {
      before = predictor.evaluate(task.forget(), task.normalisation()).accuracy();
    }
    assertTrue(before < 1, "a goal that is not the share itself");
    int ends = 0;
    for (double stop : new double[] {0.5, 0.9, 1}) {
      int first = 20;
      for (int tries = 20; tries >= 1; tries--) {
        first = left.get(tries - 1) <= stop * before ? tries : first;
      }
      Trace trace = outlierResistant(task, stop, 20);
      assertEquals(first, trace.figures().get("tries"), "to " + stop + " of " + before + left);
      ends += first > 1 && first < 20 ? 1 : 0;
    }
    assertTrue(ends > 0, "ends on the way " + left);
  }

  private static Trace outlierResistant(Forgetting task, double stop, int tries) {
    OutlierResistantSsd method =
        new OutlierResistantSsd(
            OutlierResistantSsd.published().importance(), stop, 100, 200, tries);
    try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
      return method.forget(model, backend, task, 7, Listener.NONE);
    }
  }
}
