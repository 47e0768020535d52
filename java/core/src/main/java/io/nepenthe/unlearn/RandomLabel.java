package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.nn.Loss;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.LongPredicate;

/**
 * Random labels: descends the loss of a random label on D_f and of the true one on D_r (Golatkar et
 * al., CVPR 2020; Graves et al., "Amnesiac machine learning", AAAI 2021). A sample's label is drawn
 * anew each epoch, from the seed, the epoch and its id alone.
 *
 * @param steps how
 * @param order of the two sets
 * @param excludeTrue whether the random label is never the sample's own; the published code draws
 *     from all classes
 */
public record RandomLabel(Steps steps, Order order, boolean excludeTrue) implements GradientMethod {
  /** How the two sets follow each other. */
  public enum Order {
    /** In each epoch all of D_f, then all of D_r. */
    FORGET_FIRST,
    /** In each epoch both, shuffled together. */
    MIXED
  }

  /**
   * 10 epochs, forget set first, of SGD at 0.01, momentum 0.9, decay 5·10⁻⁴, batches of 256: the
   * baseline of Fan et al., "SalUn", ICLR 2024, for CIFAR-10.
   */
  public static RandomLabel published() {
    return new RandomLabel(
        new Steps(10, 256, Optimiser.sgd(0.01, 0.9, 5e-4)), Order.FORGET_FIRST, true);
  }

  /**
   * Amnesiac unlearning as in the comparisons of SSD (Foster et al., AAAI 2024): 3 mixed epochs of
   * Adam at 10⁻⁴, batches of 128.
   */
  public static RandomLabel amnesiac() {
    return new RandomLabel(new Steps(3, 128, Optimiser.adam(1e-4)), Order.MIXED, true);
  }

  @Override
  public void require(Network network, Forgetting task) {
    if (excludeTrue && task.forget().classes() < 2) {
      throw new IllegalArgumentException(
          "a label other than the true one needs two classes or more, found "
              + task.forget().classes());
    }
  }

  @Override
  public Trace forget(
      Model model,
      Backend backend,
      Forgetting task,
      Optional<Mask.Part> mask,
      long seed,
      Listener listener) {
    require(model.network(), task);
    long samples = task.retain().size() + task.forget().size();
    return Walk.Ground.of(model, backend, task, steps, mask, seed, listener)
        .walk(
            steps.epochs() * samples,
            walk -> {
              for (int epoch = 0; epoch < steps.epochs(); epoch++) {
                epoch(walk, task, epoch, seed);
              }
            });
  }

  private void epoch(Walk walk, Forgetting task, int epoch, long seed) {
    Loss loss = task.recipe().loss();
    int classes = task.forget().classes();
    switch (order) {
      case FORGET_FIRST -> {
        walk.pass(
            "forget", task.forget(), epoch, relabelled(loss, classes, epoch, seed, id -> true), 1);
        walk.pass("retain", task.retain(), epoch, Objective.of(loss), 1);
      }
      case MIXED -> {
        Mixed mixed = new Mixed(task.forget(), task.retain());
        Objective objective = relabelled(loss, classes, epoch, seed, mixed::isForgotten);
        walk.pass("both", mixed.both(), epoch, objective, 1);
      }
    }
  }

  private Objective relabelled(
      Loss loss, int classes, int epoch, long seed, LongPredicate forgotten) {
    return (objectives, output, batch, term, gradient) -> {
      for (int n = 0; n < output.shape().size(0); n++) {
        if (forgotten.test(batch.ids()[n])) {
          batch.labels()[n] = label(batch.labels()[n], classes, epoch, batch.ids()[n], seed);
        }
      }
      loss.evaluate(objectives, output, batch.labels(), term, gradient);
    };
  }

  /** The label of a sample in an epoch. */
  int label(int own, int classes, int epoch, long id, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    long key = random.nextLong() ^ id * 0x9e3779b97f4a7c15L ^ (long) epoch << 48;
    SplittableRandom draw = new SplittableRandom(key);
    return excludeTrue ? (own + 1 + draw.nextInt(classes - 1)) % classes : draw.nextInt(classes);
  }
}
