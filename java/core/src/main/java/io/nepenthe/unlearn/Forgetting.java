package io.nepenthe.unlearn;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Trainer;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.LongPredicate;
import java.util.stream.IntStream;

/**
 * A task: what to forget, what to keep, and what a method may know. The parts of one training set D
 * = D_r ∪ D_f. Nothing that only a judge may see (test data, triggers, unknown poison) is in it.
 *
 * @param retain D_r, at least one sample
 * @param forget D_f, at least one sample
 * @param heldOut trusted clean samples that the model was not trained on, if there are any
 * @param normalisation of the pixels, as in training
 * @param recipe how the model was trained, for methods that train in that way again
 */
public record Forgetting(
    Dataset retain,
    Dataset forget,
    Optional<Dataset> heldOut,
    Normalisation normalisation,
    Trainer recipe) {
  /**
   * Checks the sizes.
   *
   * @throws IllegalArgumentException if there is nothing to forget or nothing to keep
   */
  public Forgetting {
    if (forget.size() == 0 || retain.size() == 0) {
      throw new IllegalArgumentException(
          "something to forget and something to keep are needed, found "
              + forget.size()
              + " and "
              + retain.size()
              + " samples");
    }
  }

  /** Forgets the samples with these ids. */
  public static Forgetting ofIds(
      Dataset training, long[] ids, Normalisation normalisation, Trainer recipe) {
    return new Forgetting(
        Datasets.without(training, ids),
        Subset.ofIds(training, ids),
        Optional.empty(),
        normalisation,
        recipe);
  }

  /**
   * Forgets the samples at the positions that {@code condition} takes: a class, a sub-population.
   */
  public static Forgetting where(
      Dataset training, LongPredicate condition, Normalisation normalisation, Trainer recipe) {
    long[] ids = new long[Math.toIntExact(training.size())];
    int count = 0;
    for (long i = 0; i < training.size(); i++) {
      if (condition.test(i)) {
        ids[count++] = training.id(i);
      }
    }
    return ofIds(training, Arrays.copyOf(ids, count), normalisation, recipe);
  }

  /** Forgets a class. */
  public static Forgetting ofClass(
      Dataset training, int label, Normalisation normalisation, Trainer recipe) {
    return where(training, i -> training.label(i) == label, normalisation, recipe);
  }

  /** Forgets a random share, from 0 to 1, drawn by the seed. */
  public static Forgetting random(
      Dataset training, double share, long seed, Normalisation normalisation, Trainer recipe) {
    Datasets.Split split = Datasets.split(training, share, seed);
    return new Forgetting(split.second(), split.first(), Optional.empty(), normalisation, recipe);
  }

  /**
   * Forgets the known part of what was manipulated; the unknown part is still in D_r (Goel et al.,
   * "Corrective machine unlearning", TMLR 2024).
   */
  public static Forgetting corrective(
      Manipulated manipulated, Normalisation normalisation, Trainer recipe) {
    return new Forgetting(
        manipulated.retained(), manipulated.known(), Optional.empty(), normalisation, recipe);
  }

  /** The same with trusted clean samples. */
  public Forgetting withHeldOut(Dataset trusted) {
    return new Forgetting(retain, forget, Optional.of(trusted), normalisation, recipe);
  }

  /**
   * The trusted samples of classes that are not forgotten altogether: those on which accuracy is to
   * be kept. Empty where there are no trusted samples.
   */
  public Optional<Dataset> heldOutToKeep() {
    boolean[] kept = new boolean[retain.classes()];
    for (long i = 0; i < retain.size(); i++) {
      kept[retain.label(i)] = true;
    }
    int[] labels = IntStream.range(0, kept.length).filter(c -> kept[c]).toArray();
    return heldOut.map(trusted -> Datasets.ofClasses(trusted, labels));
  }

  /**
   * The trusted samples.
   *
   * @throws IllegalArgumentException if there are none, saying what they were wanted for
   */
  Dataset requireHeldOut(String purpose) {
    return heldOut.orElseThrow(
        () -> new IllegalArgumentException("held-out data are needed " + purpose));
  }

  /**
   * Checks that the task has classes.
   *
   * @throws IllegalArgumentException if it is a regression, saying what classes were wanted for
   */
  void requireClasses(String purpose) {
    if (!recipe.loss().classifies()) {
      throw new IllegalArgumentException(
          "classes are needed " + purpose + ", and this is a regression");
    }
  }

  /** Checks that a model can take the data, before it is changed and before hours of statistics. */
  void requireFit(Model model) {
    ImageShape image = retain.image();
    heldOut.ifPresent(
        trusted -> {
          if (!trusted.image().equals(image) || trusted.classes() > retain.classes()) {
            throw new IllegalArgumentException(
                "held-out data like the training data are needed, "
                    + image
                    + " of "
                    + retain.classes()
                    + " classes, found "
                    + trusted.image()
                    + " of "
                    + trusted.classes());
          }
        });
    if (!model.network().takes(image)
        || !forget.image().equals(image)
        || !recipe.loss().fits(model.network().output().elements(), retain.classes())) {
      throw new IllegalArgumentException(
          "the model takes "
              + model.network().input()
              + " and has "
              + model.network().output()
              + " outputs; the data are "
              + image
              + " and "
              + forget.image()
              + " of "
              + retain.classes()
              + " classes");
    }
  }
}
