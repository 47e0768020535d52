package io.nepenthe.data;

import java.util.Arrays;
import java.util.Objects;

/**
 * Labels that are wrong at random.
 *
 * @param amount how many samples to draw
 * @param flip where their new labels come from
 */
public record LabelNoise(Amount amount, Flip flip) implements Manipulation {
  /** Where wrong labels come from. */
  public enum Flip {
    /** Another class, each of the others as likely: every drawn sample gets a wrong label. */
    OTHER_CLASS,
    /**
     * The labels of the drawn samples, dealt out among them anew, so that the classes stay as large
     * as they were. About one sample in (number of classes) keeps its label by chance; it is not
     * counted as manipulated.
     */
    PERMUTED
  }

  /**
   * Checks the values.
   *
   * @throws NullPointerException if one is null
   */
  public LabelNoise {
    Objects.requireNonNull(amount);
    Objects.requireNonNull(flip);
  }

  /**
   * A share of all samples gets the label of another class.
   *
   * @param fraction the share, from 0 to 1
   * @return the manipulation
   * @throws IllegalArgumentException if it is not from 0 to 1
   */
  public static LabelNoise of(double fraction) {
    return new LabelNoise(Amount.fraction(fraction), Flip.OTHER_CLASS);
  }

  @Override
  public Manipulated apply(Dataset dataset, double knownFraction, long seed) {
    if (dataset.classes() < 2) {
      throw new DataException(dataset.name(), "at least 2 classes", "" + dataset.classes());
    }
    Choice choice = new Choice(dataset, seed);
    long[] positions = choice.among(i -> true, amount.of(dataset.size()), "samples");
    int[] labels = new int[positions.length];
    Random64 random = choice.random();
    for (int i = 0; i < labels.length; i++) {
      int label = dataset.label(positions[i]);
      labels[i] =
          flip == Flip.PERMUTED
              ? label
              : (label + 1 + random.nextInt(dataset.classes() - 1)) % dataset.classes();
    }
    if (flip == Flip.PERMUTED) {
      shuffle(labels, random);
    }
    int changed = 0;
    for (int i = 0; i < labels.length; i++) {
      if (labels[i] != dataset.label(positions[i])) {
        positions[changed] = positions[i];
        labels[changed++] = labels[i];
      }
    }
    Altered altered =
        new Altered(
            dataset,
            Arrays.copyOf(positions, changed),
            Arrays.copyOf(labels, changed),
            Altered.Patch.NONE);
    return choice.manipulated(this, altered, knownFraction);
  }

  private static void shuffle(int[] values, Random64 random) {
    for (int i = values.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swap = values[i];
      values[i] = values[j];
      values[j] = swap;
    }
  }

  @Override
  public String kind() {
    return "label-noise";
  }
}
