package io.nepenthe.nn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.kernel.MaskedAdam;
import io.nepenthe.kernel.MaskedSgd;
import java.util.Optional;

/**
 * How weights follow a gradient. The learning rate and the gradient's scale of the options are the
 * base values: a step multiplies the rate by the schedule's factor, and sets the scale.
 */
public sealed interface Optimiser {
  /**
   * Stochastic gradient descent with momentum and weight decay.
   *
   * @see MaskedSgd
   */
  record Sgd(MaskedSgd.Options options) implements Optimiser {}

  /**
   * Adam or AdamW.
   *
   * @see MaskedAdam
   */
  record Adam(MaskedAdam.Options options) implements Optimiser {}

  /** Stochastic gradient descent with this rate, momentum and weight decay. */
  static Optimiser sgd(double learningRate, double momentum, double weightDecay) {
    return new Sgd(
        MaskedSgd.Options.of((float) learningRate, (float) momentum, (float) weightDecay));
  }

  /** Adam with this rate and the usual constants. */
  static Optimiser adam(double learningRate) {
    return new Adam(MaskedAdam.Options.adam((float) learningRate));
  }

  /** The state for these parameters, before the first step; the caller closes it. */
  default OptimiserState start(Parameters parameters, Backend backend) {
    return new OptimiserState(this, parameters, backend, Optional.empty());
  }

  /**
   * The state for these parameters, of which only the selected ones ever change.
   *
   * @param mask as many bits as parameters, by flat index; what it selects now counts for all steps
   */
  default OptimiserState start(Parameters parameters, Backend backend, Mask.Part mask) {
    return new OptimiserState(this, parameters, backend, Optional.of(mask));
  }
}
