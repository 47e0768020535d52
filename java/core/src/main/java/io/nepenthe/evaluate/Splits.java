package io.nepenthe.evaluate;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import java.util.BitSet;
import java.util.function.IntPredicate;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/**
 * A model's predictions on the three sets that metrics are about, from one pass over each, and what
 * follows from their labels, found once for all metrics.
 *
 * <p>A class that is forgotten altogether (in D_f and nowhere in D_r) is not to be known any more,
 * and its test samples are no example of what a good model does with samples never seen: neither TA
 * nor what an attacker learns of non-members is of them ({@link #keptTest}). They are what the
 * forgotten are compared with where members and non-members must be of the same classes ({@link
 * #likeForgotten}).
 */
public final class Splits {
  /** Samples at once. */
  private static final int BATCH = 256;

  private final Predictions retain;
  private final Predictions forget;
  private final Predictions test;
  private final int[] forgottenClasses;
  private final Predictions keptTest;
  private final Predictions forgottenTest;
  private final Predictions likeForgotten;

  /**
   * Given predictions.
   *
   * @param retain for D_r
   * @param forget for D_f
   * @param test for D_t, with or without the classes that are forgotten altogether
   */
  public Splits(Predictions retain, Predictions forget, Predictions test) {
    this.retain = retain;
    this.forget = forget;
    this.test = test;
    forgottenClasses = forgotten(retain.size(), retain::label, forget.size(), forget::label);
    keptTest = test(forgottenClasses, false);
    forgottenTest = test(forgottenClasses, true);
    likeForgotten = test(IntStream.range(0, forget.size()).map(forget::label).toArray(), true);
  }

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

  /** Those for D_r. */
  public Predictions retain() {
    return retain;
  }

  /** Those for D_f. */
  public Predictions forget() {
    return forget;
  }

  /** Those for D_t. */
  public Predictions test() {
    return test;
  }

  /** The classes that are forgotten altogether, ascending: some of D_f are of them, none of D_r. */
  public int[] forgottenClasses() {
    return forgottenClasses.clone();
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
    BitSet gone = new BitSet();
    IntStream.range(0, forgotten).map(forgetLabel).forEach(gone::set);
    IntStream.range(0, retained).map(retainLabel).forEach(gone::clear);
    return gone.stream().toArray();
  }

  /** The test samples of classes that are not forgotten altogether: all where none is. */
  public Predictions keptTest() {
    return keptTest;
  }

  /** The test samples of classes that are forgotten altogether: none where none is. */
  public Predictions forgottenTest() {
    return forgottenTest;
  }

  /** The test samples of the classes of D_f. */
  public Predictions likeForgotten() {
    return likeForgotten;
  }

  private Predictions test(int[] labels, boolean wanted) {
    BitSet of = new BitSet();
    IntStream.of(labels).forEach(of::set);
    IntPredicate condition = n -> of.get(test.label(n)) == wanted;
    return IntStream.range(0, test.size()).allMatch(condition) ? test : test.where(condition);
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
    return keptTest.accuracy();
  }
}
