package io.nepenthe.unlearn;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Dampen;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Parameters;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Collections;
import java.util.SequencedMap;

/**
 * Selective synaptic dampening (Foster, Schoepf, Brintrup, AAAI 2024): weights that matter much
 * more to the forget set than to the whole are scaled down. Needs no training: two importances and
 * one sweep.
 *
 * <p>The published rule compares importances as they are, and its α (10 for most image tasks) is
 * tuned to squared <em>batch</em> gradients. With exact per-sample importances of a well-fitted
 * backdoor, whose loss has all but vanished, it selects nothing: the forget set's importance is
 * smaller than the whole's by a factor that was 10 on a LeNet and 6·10⁷ on a batch-normalised
 * ResNet-9. {@link Scale#MASS} therefore brings both to the same total first, so that α asks how
 * much more than its fair share a weight does for the forget set. {@link SsdSearch} chooses α.
 */
public final class Ssd {
  private Ssd() {}

  /** What the two importances are compared by. */
  public enum Scale {
    /** As they are: the published rule. */
    ABSOLUTE,
    /** After I_f was multiplied by ΣI_D / ΣI_f. */
    MASS
  }

  /**
   * The settings.
   *
   * @param selection α: a weight is selected when its forget importance passes α times the
   *     reference's
   * @param dampening λ: a selected weight is multiplied by λ·I_D/I_f …
   * @param upper … but by no more than this
   * @param scale what is compared
   */
  public record Options(float selection, float dampening, float upper, Scale scale) {
    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if a number is negative, infinite or NaN
     */
    public Options {
      new Dampen.Options(selection, dampening, upper);
    }

    /**
     * α = 10, λ = 1 on the absolute scale: the paper's for ResNet-18, with its batch-squared
     * importances.
     */
    public static Options published() {
      return new Options(10, 1, 1, Scale.ABSOLUTE);
    }

    /** This α on the scale of equal mass, λ = 0.1. */
    public static Options mass(float selection) {
      return new Options(selection, 0.1f, 1, Scale.MASS);
    }
  }

  /**
   * What was done to each parameter, in flat order.
   *
   * @param options as given
   * @param factor what I_f was multiplied by before it was compared: 1 on the absolute scale
   * @param parameters by name
   */
  public record Outcome(
      Options options, double factor, SequencedMap<String, Dampen.Result> parameters) {
    /** How many weights were scaled, in all. */
    public long selected() {
      return parameters.values().stream().mapToLong(Dampen.Result::selected).sum();
    }

    /** How many pairs of importances were not finite, in all: their weights were left alone. */
    public long nonFinite() {
      return parameters.values().stream().mapToLong(Dampen.Result::nonFinite).sum();
    }
  }

  /**
   * Dampens the model's parameters in place. Running statistics of batch normalisation are left
   * alone.
   *
   * @param reference importance of the whole training data, or of what is retained
   * @param forget importance of what is to be forgotten
   * @throws IllegalArgumentException if an importance is of another model's parameters, or all
   *     importances of one are zero on the scale of equal mass
   */
  public static Outcome apply(
      Model model,
      Backend backend,
      FisherDiagonal reference,
      FisherDiagonal forget,
      Options options) {
    return apply(
        model,
        backend,
        reference.values(),
        forget.values(),
        options,
        factor(reference, forget, options.scale));
  }

  /** The same of importances where they are; on a device nothing but the outcome comes back. */
  static Outcome apply(
      Model model,
      Backend backend,
      Parameters reference,
      Parameters forget,
      Options options,
      double factor) {
    if (!reference.specs().equals(model.parameters().specs())
        || !forget.specs().equals(model.parameters().specs())) {
      throw new IllegalArgumentException("the importances are of another model's parameters");
    }
    // s·I_f > α·I_D is I_f > (α/s)·I_D, and λ·I_D/(s·I_f) is (λ/s)·I_D/I_f: no scaled copy is
    // needed.
    Dampen.Options scaled =
        new Dampen.Options(
            (float) (options.selection / factor),
            (float) (options.dampening / factor),
            options.upper);
    SequencedMap<String, Dampen.Result> results = new LinkedHashMap<>();
    for (Parameters.Parameter parameter : model.parameters().all()) {
      String name = parameter.spec().name();
      results.put(
          name,
          backend.dampen(
              parameter.value(), forget.get(name).value(), reference.get(name).value(), scaled));
    }
    return new Outcome(options, factor, Collections.unmodifiableSequencedMap(results));
  }

  /** An importance where the operations run: for many strengths it goes there once. */
  static Parameters here(Arena arena, Backend backend, FisherDiagonal importance) {
    Parameters values = importance.values();
    return Parameters.of(values.specs(), backend.here(arena, values.flat()));
  }

  /** What I_f is multiplied by. */
  static double factor(FisherDiagonal reference, FisherDiagonal forget, Scale scale) {
    if (scale == Scale.ABSOLUTE) {
      return 1;
    }
    double factor = reference.trace() / forget.trace();
    if (!(factor > 0 && factor < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "the importances sum to "
              + reference.trace()
              + " (reference) and "
              + forget.trace()
              + " (forget): they cannot be brought to one scale");
    }
    return factor;
  }
}
