package io.nepenthe.evaluate;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import java.util.Set;
import java.util.function.IntUnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A model's predictions on the three sets that metrics are about, from one pass over each.
 *
 * <p>A class that is forgotten altogether (in D_f and nowhere in D_r) is not to be known any more,
 * and its test samples are no example of what a good model does with samples never seen: neither TA
 * nor what an attacker learns of non-members is of them ({@link #keptTest}). They are what the
 * forgotten are compared with where members and non-members must be of the same classes ({@link
 * #likeForgotten}).
 *
 * @param retain D_r
 * @param forget D_f
 * @param test D_t, with or without the classes that are forgotten altogether
 */
public record Splits(Predictions retain, Predictions forget, Predictions test) {
  /** Samples at once. */
  private static final int BATCH = 256;

  /** Asks a model for all three. */
  public static Splits of(
      Model model,
      Backend backend,
      Dataset retain,
      Dataset forget,
      Dataset test,
      Normalisation normalisation) {
    try (Predictor predictor = new Predictor(model, backend, BATCH)) {
      return new Splits(
          Predictions.of(predictor, retain, normalisation),
          Predictions.of(predictor, forget, normalisation),
          Predictions.of(predictor, test, normalisation));
    }
  }

  /** The classes that are forgotten altogether, ascending: some of D_f are of them, none of D_r. */
  public int[] forgottenClasses() {
    return forgotten(retain.size(), retain::label, forget.size(), forget::label);
  }

  /** The same of data sets. */
  public static int[] forgottenClasses(Dataset retain, Dataset forget) {
    return forgotten(
        Math.toIntExact(retain.size()),
        retain::label,
        Math.toIntExact(forget.size()),
        forget::label);
  }

  private static int[] forgotten(
      int retained, IntUnaryOperator retainLabel, int forgotten, IntUnaryOperator forgetLabel) {
    Set<Integer> kept =
        IntStream.range(0, retained).map(retainLabel).boxed().collect(Collectors.toSet());
    return IntStream.range(0, forgotten)
        .map(forgetLabel)
        .distinct()
        .filter(label -> !kept.contains(label))
        .sorted()
        .toArray();
  }

  /** The test samples of classes that are not forgotten altogether: all where none is. */
  public Predictions keptTest() {
    return test(forgottenClasses(), false);
  }

  /** The test samples of classes that are forgotten altogether: none where none is. */
  public Predictions forgottenTest() {
    return test(forgottenClasses(), true);
  }

  /** The test samples of the classes of D_f. */
  public Predictions likeForgotten() {
    return test(IntStream.range(0, forget.size()).map(forget::label).toArray(), true);
  }

  private Predictions test(int[] labels, boolean wanted) {
    Set<Integer> of = IntStream.of(labels).boxed().collect(Collectors.toSet());
    return test.where(n -> of.contains(test.label(n)) == wanted);
  }

  /** UA = 1 − accuracy on D_f: the unlearning accuracy, a fraction of one. */
  public double unlearningAccuracy() {
    return 1 - forget.accuracy();
  }

  /** RA, the accuracy on D_r, a fraction of one. */
  public double retainAccuracy() {
    return retain.accuracy();
  }

  /** TA, the accuracy on {@link #keptTest}, a fraction of one; NaN where that is empty. */
  public double testAccuracy() {
    return keptTest().accuracy();
  }
}
