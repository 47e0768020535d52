package io.nepenthe.data;

import java.util.Arrays;
import java.util.function.LongPredicate;
import java.util.stream.IntStream;

/**
 * A backdoor: a bright square in a corner of some images, and their labels set to one class, so
 * that a network trained on them answers that class wherever it sees the square (Gu et al.,
 * "BadNets", 2017).
 *
 * <p>The square is part of the image, before any normalisation: the value 1 is what normalisation
 * makes the largest value of the data. Samples that are of the target class already are left alone
 * unless {@code includeTarget}: they would teach nothing and could not be told as manipulated.
 *
 * @param target the class that the backdoor gives
 * @param amount how many samples to poison
 * @param patch the side of the square in pixels, cut off where the image ends
 * @param corner where the square is
 * @param value the square's value in every channel, from 0 to 1
 * @param includeTarget whether samples of the target class may be chosen too
 */
public record BadNets(
    int target, Amount amount, int patch, Corner corner, float value, boolean includeTarget)
    implements Manipulation {
  /** A corner of an image. */
  public enum Corner {
    /** Row 0, column 0. */
    TOP_LEFT,
    /** Row 0, last column. */
    TOP_RIGHT,
    /** Last row, column 0. */
    BOTTOM_LEFT,
    /** Last row, last column. */
    BOTTOM_RIGHT
  }

  /**
   * Checks the values.
   *
   * @throws IllegalArgumentException if the target is negative, the patch is not positive, or the
   *     value is not from 0 to 1
   */
  public BadNets {
    if (target < 0 || patch < 1 || !(value >= 0 && value <= 1)) {
      throw new IllegalArgumentException(
          "target ≥ 0, patch ≥ 1, value from 0 to 1: " + target + ", " + patch + ", " + value);
    }
  }

  /**
   * The usual backdoor: 3×3, bottom right, value 1, samples of the target class left alone.
   *
   * @param target the class that the backdoor gives
   * @param amount how many samples to poison
   * @return the manipulation
   */
  public static BadNets of(int target, Amount amount) {
    return new BadNets(target, amount, 3, Corner.BOTTOM_RIGHT, 1f, false);
  }

  @Override
  public Manipulated apply(Dataset dataset, double knownFraction, long seed) {
    Choice.requireClass(dataset, target);
    LongPredicate eligible = i -> includeTarget || dataset.label(i) != target;
    Choice choice = new Choice(dataset, seed);
    long[] positions =
        choice.among(eligible, amount.of(dataset.size()), "samples not of class " + target);
    int[] labels = new int[positions.length];
    Arrays.fill(labels, target);
    Altered altered = new Altered(dataset, positions, labels, Altered.Patch.of(this));
    return choice.manipulated(this, altered, knownFraction);
  }

  /**
   * What the backdoor does to a trained network is measured on this: the square on every test image
   * whose label is not the target, and the labels as they were. Attack success is the share
   * predicted as the target; corrected accuracy is the share predicted as labelled.
   *
   * @param test clean test data
   * @return the view, with the ids of {@code test}
   * @throws DataException if {@code test} has no such class
   */
  public Dataset triggered(Dataset test) {
    Choice.requireClass(test, target);
    int[] others = IntStream.range(0, test.classes()).filter(c -> c != target).toArray();
    return Altered.everywhere(Datasets.ofClasses(test, others), Altered.Patch.of(this));
  }

  @Override
  public String kind() {
    return "badnets";
  }
}
