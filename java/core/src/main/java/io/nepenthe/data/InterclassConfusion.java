package io.nepenthe.data;

import java.util.Arrays;

/**
 * Two classes mistaken for each other: half of the samples are of class {@code a} and get label
 * {@code b}, half the other way round (Goel et al., "Towards adversarial evaluations for inexact
 * machine unlearning", 2022). Of an odd number, class {@code a} has one more.
 *
 * @param a a class
 * @param b another one
 * @param amount how many samples of both together
 */
public record InterclassConfusion(int a, int b, Amount amount) implements Manipulation {
  /**
   * Checks the classes.
   *
   * @throws IllegalArgumentException if one is negative, or they are the same
   */
  public InterclassConfusion {
    if (a < 0 || b < 0 || a == b) {
      throw new IllegalArgumentException("two different classes: " + a + ", " + b);
    }
  }

  /**
   * So many samples.
   *
   * @param a a class
   * @param b another one
   * @param count how many samples of both together
   * @return the manipulation
   */
  public static InterclassConfusion of(int a, int b, long count) {
    return new InterclassConfusion(a, b, Amount.count(count));
  }

  @Override
  public Manipulated apply(Dataset dataset, double knownFraction, long seed) {
    Choice.requireClass(dataset, a);
    Choice.requireClass(dataset, b);
    Choice choice = new Choice(dataset, seed);
    long count = amount.of(dataset.size());
    long[] ofA =
        choice.among(i -> dataset.label(i) == a, count - count / 2, "samples of class " + a);
    long[] ofB = choice.among(i -> dataset.label(i) == b, count / 2, "samples of class " + b);
    long[] positions = Arrays.copyOf(ofA, ofA.length + ofB.length);
    System.arraycopy(ofB, 0, positions, ofA.length, ofB.length);
    Arrays.sort(positions);
    int[] labels = new int[positions.length];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = dataset.label(positions[i]) == a ? b : a;
    }
    Altered altered = new Altered(dataset, positions, labels, Altered.Patch.NONE);
    return choice.manipulated(this, altered, knownFraction);
  }

  @Override
  public String kind() {
    return "interclass";
  }
}
