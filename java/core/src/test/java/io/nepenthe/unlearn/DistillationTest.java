package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.TinyData;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.LossSum;
import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class DistillationTest {
  /** The sum of the losses; the gradient is brought too. */
  private static double evaluate(
      Backend backend, Objective objective, Tensor output, Dataset data, Tensor gradient) {
    int samples = (int) output.shape().size(0);
    Objective.Batch batch = new Objective.Batch(samples);
    for (int n = 0; n < samples; n++) {
      batch.ids()[n] = data.id(n);
      batch.labels()[n] = data.label(n);
    }
    try (Arena arena = Arena.ofConfined()) {
      LossSum sum = LossSum.zero(arena, backend);
      objective.evaluate(backend.objectives(), output, batch, new LossTerm(1, 1, sum), gradient);
      return sum.value();
    }
  }

  @Test
  void gradientIsTheSlopeOfTheLoss() {
    Dataset data = Subset.range(TinyTask.CLEAN, 0, 3);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model();
        Teacher teacher = Teacher.of(model, backend, data, TinyTask.NORMALISATION)) {
      Distillation objective = new Distillation(teacher, 3, 0.7, 0.4, new CrossEntropy());
      SplittableRandom random = new SplittableRandom(1);
      Tensor output = Tensor.zeros(arena, Shape.of(4, 10));
      for (long i = 0; i < 40; i++) {
        output.set(i, (float) (4 * random.nextDouble() - 2));
      }
      Tensor gradient = Tensor.zeros(arena, output.shape());
      Tensor ignored = Tensor.zeros(arena, output.shape());
      evaluate(backend, objective, output, data, gradient);
      for (long i = 0; i < 40; i++) {
        float at = output.get(i);
        float step = 0x1p-8f;
        output.set(i, at + step);
        double up = evaluate(backend, objective, output, data, ignored);
        output.set(i, at - step);
        double down = evaluate(backend, objective, output, data, ignored);
        output.set(i, at);
        // Central differences: h²/6 times a third derivative below T²·1/T³·… + 1 < 2.
        assertEquals((up - down) / (2 * step), gradient.get(i), step * step / 3 + 1e-6);
      }
    }
  }

  @Test
  void aStudentThatIsItsTeacherHasNoDistance() {
    Dataset data = Subset.range(TinyTask.CLEAN, 0, 0);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model();
        Teacher teacher = Teacher.of(model, backend, data, TinyTask.NORMALISATION)) {
      Tensor output = Tensor.zeros(arena, Shape.of(1, 10));
      for (int c = 0; c < 10; c++) {
        output.set(c, teacher.answers().get(c) + 1); // the softmax does not see what all have
      }
      Tensor gradient = Tensor.zeros(arena, output.shape());
      Objective objective = Distillation.from(teacher, 2, new CrossEntropy());
      assertEquals(0, evaluate(backend, objective, output, data, gradient), 1e-9);
      for (int c = 0; c < 10; c++) {
        assertEquals(0, gradient.get(c), 1e-5);
      }
    }
  }

  private static Scrub scrub(boolean rewind) {
    Optimiser adam = Optimiser.adam(5e-4);
    return new Scrub(new Steps(4, 64, adam), 16, 1, 0.1, 2, 2, List.of(3), rewind);
  }

  @Test
  void scrubLeavesTheTeacherOnlyWhereItShould() {
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model()) {
      double before = TinyTask.accuracy(model, backend, TinyTask.otherThanThrees());
      Trace trace = scrub(false).forget(model, backend, TinyTask.threes(), 1, Listener.NONE);
      double forget = TinyTask.accuracy(model, backend, TinyTask.threes().forget());
      assertTrue(forget < 0.3, "forget " + forget);
      assertTrue(TinyTask.accuracy(model, backend, TinyTask.otherThanThrees()) > before - 0.05);
      assertEquals(
          List.of("forget", "retain", "forget", "retain", "retain", "retain"),
          trace.epochs().stream().map(Trace.Epoch::over).toList());
    }
  }

  @Test
  void rewindingFindsTheEpochNearestToUnseenData() {
    try (Backend backend = Device.cpu(2).open();
        Model last = TinyTask.model();
        Model chosen = TinyTask.model()) {
      scrub(false).forget(last, backend, TinyTask.task(), 1, Listener.NONE);
      Trace trace = scrub(true).forget(chosen, backend, TinyTask.task(), 1, Listener.NONE);
      double wanted = TinyTask.accuracy(last, backend, Datasets.ofClasses(TinyTask.TRUSTED, 0));
      double lastGap =
          Math.abs(TinyTask.accuracy(last, backend, TinyTask.task().forget()) - wanted);
      double gap = Math.abs(TinyTask.accuracy(chosen, backend, TinyTask.task().forget()) - wanted);
      assertTrue(gap <= lastGap, gap + " and " + lastGap);
      assertTrue(trace.figures().get("epoch") < 4);
      Forgetting blind =
          Forgetting.corrective(TinyTask.POISONED, TinyTask.NORMALISATION, TinyTask.RECIPE);
      assertThrows(
          IllegalArgumentException.class,
          () -> scrub(true).forget(chosen, backend, blind, 1, Listener.NONE));
    }
  }

  /** A run of fewer epochs is the beginning of one of more. */
  @Test
  void rewindingIsStoppingAtTheEpochNearestToUnseenData() {
    Network network =
        Network.builder(Extent.image(2, 3, 1))
            .then(new Layer.Conv2d("conv", 1, 4, Window.square(3).withPadding(1), false))
            .then(new Layer.BatchNorm2d("bn", 4))
            .then(new Layer.Relu())
            .then(new Layer.Flatten())
            .then(new Layer.Linear("fc", 24, 3, true))
            .build();
    Dataset trusted = new TinyData(40, SoftmaxByHand.DATA.image(), 3, 8, 1000);
    Set<Integer> chosenEpochs = new HashSet<>();
    for (long seed = 1; seed <= 6; seed++) {
      Forgetting task = SoftmaxByHand.TASK.withHeldOut(trusted);
      List<float[]> weights = new ArrayList<>();
      List<float[]> statistics = new ArrayList<>();
      double[] forgotten = new double[5];
      double wanted = 0;
      try (Backend backend = Device.cpu(1).open()) {
        for (int epochs = 1; epochs <= 5; epochs++) {
          try (Model model = Model.initialise(network, seed)) {
            small(epochs, false).forget(model, backend, task, seed, Listener.NONE);
            weights.add(model.parameters().flat().toArray());
            statistics.add(model.buffers().flat().toArray());
            forgotten[epochs - 1] = accuracy(model, backend, task.forget());
            wanted = accuracy(model, backend, trusted);
          }
        }
        int nearest = nearest(forgotten, wanted);
        try (Model model = Model.initialise(network, seed)) {
          Trace trace = small(5, true).forget(model, backend, task, seed, Listener.NONE);
          chosenEpochs.add(nearest);
          assertEquals(nearest, trace.figures().get("epoch"));
          assertArrayEquals(weights.get(nearest), model.parameters().flat().toArray());
          assertArrayEquals(statistics.get(nearest), model.buffers().flat().toArray());
        }
      }
    }
    assertTrue(chosenEpochs.size() > 1, "always " + chosenEpochs);
  }

  private static int nearest(double[] accuracies, double wanted) {
    int nearest = 0;
    for (int e = 1; e < accuracies.length; e++) {
      double gap = Math.abs(accuracies[e] - wanted);
      nearest = gap < Math.abs(accuracies[nearest] - wanted) ? e : nearest;
    }
    return nearest;
  }

  private static Scrub small(int epochs, boolean rewind) {
    Steps steps = new Steps(epochs, 10, Optimiser.sgd(0.3, 0.9, 0));
    return new Scrub(steps, 4, 1, 0.1, 2, 3, List.of(4), rewind);
  }

  private static double accuracy(Model model, Backend backend, Dataset data) {
    try (Predictor predictor = new Predictor(model, backend, 64)) {
      return predictor.evaluate(data, SoftmaxByHand.PLAIN).accuracy();
    }
  }

  /** Held-out samples of other classes than the forgotten ones judge nothing. */
  @Test
  void onlyTheForgottenClassesAreCompared() {
    TinyData data = SoftmaxByHand.DATA;
    Forgetting ones = Forgetting.ofClass(data, 1, SoftmaxByHand.PLAIN, SoftmaxByHand.RECIPE);
    Dataset trusted = new TinyData(40, data.image(), 3, 8, 1000);
    List<float[]> found = new ArrayList<>();
    try (Backend backend = Device.cpu(1).open()) {
      for (Dataset judge : List.of(trusted, Datasets.ofClasses(trusted, 1))) {
        try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
          small(5, true).forget(model, backend, ones.withHeldOut(judge), 1, Listener.NONE);
          found.add(model.parameters().flat().toArray());
        }
      }
      assertArrayEquals(found.get(0), found.get(1));
      Forgetting none = ones.withHeldOut(Datasets.ofClasses(trusted, 0, 2));
      try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
        String refusal =
            assertThrows(
                    IllegalArgumentException.class,
                    () -> small(5, true).forget(model, backend, none, 1, Listener.NONE))
                .getMessage();
        assertTrue(refusal.contains("none of the forgotten classes"), refusal);
      }
    }
  }

  @Test
  void theBadTeacherIsFollowedOnWhatIsForgotten() {
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model()) {
      double before = TinyTask.accuracy(model, backend, TinyTask.TEST);
      new BadTeacher(new Steps(4, 32, Optimiser.adam(1e-3)), 1, 1)
          .forget(model, backend, TinyTask.task(), 1, Listener.NONE);
      assertTrue(TinyTask.accuracy(model, backend, TinyTask.task().forget()) < 0.5);
      double after = TinyTask.accuracy(model, backend, TinyTask.TEST);
      assertTrue(after > before - 0.08, before + " → " + after);
    }
  }
}
