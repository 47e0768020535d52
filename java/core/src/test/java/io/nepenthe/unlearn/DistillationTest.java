package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.LossSum;
import io.nepenthe.kernel.LossTerm;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
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
