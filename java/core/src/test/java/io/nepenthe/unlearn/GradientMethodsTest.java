package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Mask;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.nn.Evaluation;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class GradientMethodsTest {
  private static final Optimiser SGD = Optimiser.sgd(0.01, 0.9, 5e-4);
  private static final Optimiser GENTLE = Optimiser.sgd(3e-3, 0.9, 5e-4);
  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = Device.cpu(2).open();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static Evaluation on(Model model, Dataset data) {
    try (Predictor predictor = new Predictor(model, backend, 250)) {
      return predictor.evaluate(data, TinyTask.NORMALISATION);
    }
  }

  private static float[] after(Method method, int threads) {
    try (Backend own = Device.cpu(threads).open();
        Model model = TinyTask.model()) {
      method.forget(model, own, TinyTask.task(), 7, Listener.NONE);
      return model.parameters().flat().toArray();
    }
  }

  /** Forgets the threes and keeps the rest. */
  private static Trace forgetsThrees(Method method, double kept) {
    try (Model model = TinyTask.model()) {
      double before = TinyTask.accuracy(model, backend, TinyTask.otherThanThrees());
      assertTrue(TinyTask.accuracy(model, backend, TinyTask.threes().forget()) > 0.9);
      Trace trace = method.forget(model, backend, TinyTask.threes(), 1, Listener.NONE);
      double forget = TinyTask.accuracy(model, backend, TinyTask.threes().forget());
      assertTrue(forget < 0.3, method + " forget " + forget);
      double after = TinyTask.accuracy(model, backend, TinyTask.otherThanThrees());
      assertTrue(after > before - kept, method + " " + before + " → " + after);
      return trace;
    }
  }

  @Test
  void fineTuningDescendsOnWhatIsKept() {
    try (Model model = TinyTask.model()) {
      double before = on(model, TinyTask.task().retain()).meanLoss();
      Trace trace =
          new FineTune(new Steps(2, 64, Optimiser.sgd(1e-3, 0.9, 0)))
              .forget(model, backend, TinyTask.task(), 1, Listener.NONE);
      double after = on(model, TinyTask.task().retain()).meanLoss();
      assertTrue(after < before, before + " → " + after);
      assertEquals(2, trace.epochs().size());
      assertTrue(trace.epochs().get(1).loss() < trace.epochs().get(0).loss());
    }
  }

  @Test
  void ascentRaisesTheLossOnWhatIsForgotten() {
    try (Model model = TinyTask.model()) {
      double before = on(model, TinyTask.task().forget()).meanLoss();
      new GradientAscent(new Steps(5, 64, SGD))
          .forget(model, backend, TinyTask.task(), 1, Listener.NONE);
      double after = on(model, TinyTask.task().forget()).meanLoss();
      assertTrue(after > 10 * before, before + " → " + after);
    }
  }

  @Test
  void negGradPlusForgetsAndKeeps() {
    // A narrow path: at 2e-3 nothing is forgotten yet, at 3e-3 a tenth of what is kept goes too.
    forgetsThrees(new NegGradPlus(new Steps(3, 64, Optimiser.sgd(2.5e-3, 0.9, 5e-4)), 0.95), 0.05);
  }

  @Test
  void randomLabelsAreNeverTheTrueOneAndOtherwiseUniform() {
    RandomLabel method = RandomLabel.published();
    int[] counts = new int[10];
    for (long id = 0; id < 9000; id++) {
      int label = method.label(4, 10, 0, id, 11);
      counts[label]++;
      assertEquals(label, method.label(4, 10, 0, id, 11));
    }
    assertEquals(0, counts[4]);
    for (int c = 0; c < 10; c++) {
      // 9,000 draws of 1/9: deviation 29.8; six of them.
      assertTrue(c == 4 || Math.abs(counts[c] - 1000) < 6 * 29.8, "class " + c);
    }
    long moved =
        LongStream.range(0, 900)
            .filter(id -> method.label(4, 10, 0, id, 11) != method.label(4, 10, 1, id, 11))
            .count();
    assertTrue(moved > 700, "drawn anew each epoch: " + moved);
    RandomLabel all = new RandomLabel(method.steps(), method.order(), false);
    assertTrue(LongStream.range(0, 900).anyMatch(id -> all.label(4, 10, 0, id, 11) == 4));
  }

  @Test
  void randomLabelsForgetInBothOrders() {
    for (RandomLabel.Order order : RandomLabel.Order.values()) {
      forgetsThrees(new RandomLabel(new Steps(5, 32, GENTLE), order, true), 0.05);
    }
  }

  @Test
  void amnesiacTellsTheTwoSetsApartWhenMixed() {
    Forgetting task = TinyTask.task();
    Mixed mixed = new Mixed(task.forget(), task.retain());
    for (long i = 0; i < mixed.both().size(); i++) {
      boolean forgotten = i < task.forget().size();
      assertEquals(forgotten, mixed.isForgotten(mixed.both().id(i)));
    }
  }

  @Test
  void maskedWeightsKeepTheirBitsWhateverMomentumAndDecaySay() {
    try (Arena arena = Arena.ofConfined();
        Model model = TinyTask.model();
        Model before = TinyTask.model();
        Saliency saliency =
            Saliency.of(
                model,
                backend,
                TinyTask.task().forget(),
                TinyTask.NORMALISATION,
                TinyTask.RECIPE.loss(),
                Progress.NONE)) {
      Mask.Part mask = saliency.masks(arena, 0.3).mask(0).part(0);
      assertEquals(model.parameters().count() * 3 / 10, mask.selected());
      // 1,463 samples in batches of 32: 46 steps an epoch, 138 in all.
      new FineTune(new Steps(3, 32, Optimiser.sgd(0.02, 0.9, 1e-2)))
          .forget(model, backend, TinyTask.task(), Optional.of(mask), 1, Listener.NONE);
      long moved = 0;
      for (long j = 0; j < mask.elements(); j++) {
        int was = Float.floatToRawIntBits(before.parameters().flat().get(j));
        int is = Float.floatToRawIntBits(model.parameters().flat().get(j));
        assertTrue(mask.get(j) || was == is, "weight " + j);
        moved += was == is ? 0 : 1;
      }
      assertTrue(moved > 0.99 * mask.selected(), "moved " + moved);
    }
  }

  @Test
  void theMaskTakesTheLargestMagnitudesAndOfEqualsTheFirst() {
    try (Arena arena = Arena.ofConfined()) {
      Tensor gradient = Tensor.copyOf(arena, Shape.of(4), 3, -1, -3, 2);
      MaskStack masks = MaskStack.zeros(arena, 1, List.of(gradient.shape()));
      backend.selectTop(List.of(gradient), masks, 0.5);
      assertEquals("1010", bits(masks.mask(0).part(0)));
      Tensor equal = Tensor.copyOf(arena, Shape.of(5), 2, -2, 2, 2, -2);
      MaskStack first = MaskStack.zeros(arena, 1, List.of(equal.shape()));
      backend.selectTop(List.of(equal), first, 0.5);
      assertEquals("11000", bits(first.mask(0).part(0)));
    }
  }

  private static String bits(Mask.Part mask) {
    StringBuilder bits = new StringBuilder();
    for (long i = 0; i < mask.elements(); i++) {
      bits.append(mask.get(i) ? 1 : 0);
    }
    return bits.toString();
  }

  @Test
  void saliencyIsThatOfTheSumOverSamples() {
    Dataset three = Subset.range(TinyTask.CLEAN, 0, 2);
    double[] sum = new double[Math.toIntExact(TinyTask.NETWORK.parameterCount())];
    double[] terms = new double[sum.length];
    try (Model model = TinyTask.model()) {
      for (int i = 0; i < 3; i++) {
        float[] one = saliency(model, Subset.range(TinyTask.CLEAN, i, i));
        for (int j = 0; j < sum.length; j++) {
          sum[j] += one[j];
          terms[j] += Math.abs(one[j]);
        }
      }
      float[] together = saliency(model, three);
      for (int j = 0; j < sum.length; j++) {
        // Each gradient is itself a sum of at most 28·28·3 products in float.
        assertEquals(sum[j], together[j], 2352 * 0x1p-24 * terms[j] + 1e-12, "weight " + j);
      }
    }
  }

  private static float[] saliency(Model model, Dataset data) {
    try (Saliency saliency =
        Saliency.of(
            model, backend, data, TinyTask.NORMALISATION, TinyTask.RECIPE.loss(), Progress.NONE)) {
      return saliency.values().flat().toArray();
    }
  }

  @Test
  void salUnForgetsWithHalfTheWeights() {
    Steps steps = new Steps(5, 32, GENTLE);
    RandomLabel labels = new RandomLabel(steps, RandomLabel.Order.FORGET_FIRST, true);
    Trace trace = forgetsThrees(new Masked(labels, 0.5), 0.05);
    long half = TinyTask.NETWORK.parameterCount() / 2;
    assertEquals(half, trace.figures().get("selected"));
    float[] weights = after(new Masked(labels, 0.5), 2);
    long moved = 0;
    try (Model before = TinyTask.model()) {
      for (int j = 0; j < weights.length; j++) {
        moved += weights[j] == before.parameters().flat().get(j) ? 0 : 1;
      }
    }
    assertTrue(moved > 0.9 * half && moved <= half, "moved " + moved);
    assertThrows(IllegalArgumentException.class, () -> new Masked(labels, 1.1));
  }

  @Test
  void pruningUnderAMaskKeepsTheOtherWeights() {
    FineTune tune = new FineTune(new Steps(1, 64, SGD));
    float[] weights = after(new Masked(new Prune(Prune.Scope.ALL_WEIGHTS, 0.9, tune), 0.1), 2);
    long moved = 0;
    try (Model before = TinyTask.model()) {
      for (int j = 0; j < weights.length; j++) {
        moved += weights[j] == before.parameters().flat().get(j) ? 0 : 1;
      }
    }
    assertTrue(moved > 0 && moved <= weights.length / 10, "moved " + moved);
  }

  @Test
  void anotherNumberOfThreadsGivesTheSameBits() {
    Steps steps = new Steps(1, 64, SGD);
    for (Method method :
        new Method[] {
          new Masked(new RandomLabel(steps, RandomLabel.Order.MIXED, true), 0.5),
          new NegGradPlus(steps, 0.95),
          new BadTeacher(steps, 1, 0.3)
        }) {
      assertArrayEquals(after(method, 1), after(method, 2), method.toString());
    }
  }

  @Test
  void theL1PenaltyShrinksAndTheProximalStepZeroes() {
    Steps steps = new Steps(2, 64, SGD);
    double plain = l1(after(new L1Sparse(steps, 0, 0, false), 2));
    double penalised = l1(after(new L1Sparse(steps, 1e-3, 0, false), 2));
    assertTrue(penalised < 0.98 * plain, plain + " → " + penalised);
    float[] sparse = after(new L1Sparse(steps, 0.2, 0, true), 2);
    int zeros = 0;
    for (float weight : sparse) {
      zeros += weight == 0 ? 1 : 0;
    }
    assertTrue(zeros > sparse.length / 4, "zeros " + zeros);
    L1Sparse decaying = new L1Sparse(new Steps(10, 64, SGD), 1, 2, false);
    assertEquals(1, decaying.penalty(0));
    assertEquals(0.5, decaying.penalty(4));
    assertEquals(0, decaying.penalty(8));
    assertEquals(0, decaying.penalty(9));
    assertEquals(0, new L1Sparse(new Steps(2, 64, SGD), 1, 2, false).penalty(0));
  }

  private static double l1(float... weights) {
    double sum = 0;
    for (float weight : weights) {
      sum += Math.abs(weight);
    }
    return sum;
  }

  @Test
  void prunedWeightsStayZeroAndTheOthersAreTheLargest() {
    try (Model before = TinyTask.model();
        Model model = TinyTask.model()) {
      new Prune(Prune.Scope.CONVOLUTIONS, 0.75, new FineTune(new Steps(1, 64, SGD)))
          .forget(model, backend, TinyTask.task(), 1, Listener.NONE);
      float smallestKept = Float.POSITIVE_INFINITY;
      float largestPruned = 0;
      int zeros = 0;
      for (String name : new String[] {"conv1.weight", "conv2.weight"}) {
        for (long i = 0; i < model.parameters().get(name).value().elements(); i++) {
          float was = Math.abs(before.parameters().get(name).value().get(i));
          if (model.parameters().get(name).value().get(i) == 0) {
            zeros++;
            largestPruned = Math.max(largestPruned, was);
          } else {
            smallestKept = Math.min(smallestKept, was);
          }
        }
      }
      assertEquals(2550 - 2550 / 4, zeros);
      assertTrue(largestPruned <= smallestKept);
      assertNotEquals(
          before.parameters().get("fc1.weight").value().get(0),
          model.parameters().get("fc1.weight").value().get(0));
    }
  }
}
