package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which weights a mask leaves to a method, by hand. */
class MaskFormulasTest {
  private static final int WEIGHTS = SoftmaxByHand.CLASSES * SoftmaxByHand.INPUTS;
  private static final Forgetting TASK = SoftmaxByHand.TASK;
  private static final FineTune TUNE = new FineTune(new Steps(2, 10, Optimiser.sgd(0.3, 0, 0)));
  private static final long SEED = 7;

  private static SoftmaxByHand byHand() {
    try (Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
      return SoftmaxByHand.of(model);
    }
  }

  /** The positions of the largest magnitudes among the first so many. */
  private static int[] largest(double[] values, int among, int count) {
    return IntStream.range(0, among)
        .boxed()
        .sorted(Comparator.comparingDouble(j -> -Math.abs(values[j])))
        .limit(count)
        .mapToInt(j -> j)
        .toArray();
  }

  private static boolean[] allBut(int size, int... chosen) {
    boolean[] others = new boolean[size];
    Arrays.fill(others, true);
    for (int j : chosen) {
      others[j] = false;
    }
    return others;
  }

  private static double[] saliency() {
    SoftmaxByHand hand = byHand();
    Dataset forget = TASK.forget();
    for (long i = 0; i < forget.size(); i++) {
      hand.add(forget, i, forget.label(i), 1, SoftmaxByHand.LOSS);
    }
    return hand.gradient();
  }

  private static void assertSame(Method method, SoftmaxByHand hand, long selected) {
    for (int epoch = 0; epoch < 2; epoch++) {
      hand.pass(TASK.retain(), 10, SEED, epoch, 0.3, SoftmaxByHand.LOSS);
    }
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(SoftmaxByHand.NETWORK, 1)) {
      Trace trace = method.forget(model, backend, TASK, SEED, Listener.NONE);
      hand.assertIs(model.parameters());
      assertEquals(selected, trace.figures().get("selected"));
      assertEquals(2, trace.epochs().size());
    }
  }

  /** ⌊0.3·21⌋ = 6, by the gradient of the forgotten alone. */
  @Test
  void onlyWhatIsSalientToTheForgottenMoves() {
    SoftmaxByHand hand = byHand();
    boolean[] others = allBut(21, largest(saliency(), 21, 6));
    System.arraycopy(others, 0, hand.frozen(), 0, 21);
    assertSame(new Masked(TUNE, 0.3), hand, 6);
  }

  /** ⌊0.45·18⌋ = 8 weights are left, and the biases. */
  @Test
  void theSmallestWeightsArePrunedAndStayZero() {
    SoftmaxByHand hand = byHand();
    boolean[] small = allBut(21, largest(hand.theta(), WEIGHTS, 8));
    for (int j = 0; j < WEIGHTS; j++) {
      hand.frozen()[j] = small[j];
      hand.theta()[j] = small[j] ? 0 : hand.theta()[j];
    }
    assertSame(new Prune(Prune.Scope.ALL_WEIGHTS, 0.55, TUNE), hand, 11);
  }

  /** Under a mask only what it selects is pruned, and of that what is small among all weights. */
  @Test
  void pruningUnderAMaskIsOfWhatTheMaskSelects() {
    SoftmaxByHand hand = byHand();
    boolean[] unsalient = allBut(21, largest(saliency(), 21, 10));
    boolean[] small = allBut(21, largest(hand.theta(), WEIGHTS, 8));
    int selected = 10;
    int pruned = 0;
    for (int j = 0; j < 21; j++) {
      boolean zero = j < WEIGHTS && small[j] && !unsalient[j];
      hand.frozen()[j] = unsalient[j] || zero;
      hand.theta()[j] = zero ? 0 : hand.theta()[j];
      pruned += zero ? 1 : 0;
    }
    assertTrue(pruned > 0 && pruned < 10, "pruned " + pruned);
    Method method = new Masked(new Prune(Prune.Scope.ALL_WEIGHTS, 0.55, TUNE), 0.5);
    assertSame(method, hand, selected - pruned);
  }

  @Test
  void aNetworkWithoutConvolutionsHasNoneToPrune() {
    Prune convolutions = new Prune(Prune.Scope.CONVOLUTIONS, 0.5, TUNE);
    Prune weights = new Prune(Prune.Scope.ALL_WEIGHTS, 0.5, TUNE);
    weights.require(SoftmaxByHand.NETWORK, TASK);
    IllegalArgumentException refusal =
        assertThrows(
            IllegalArgumentException.class,
            () -> convolutions.require(SoftmaxByHand.NETWORK, TASK));
    assertTrue(refusal.getMessage().contains("no convolutions"), refusal.getMessage());
  }
}
