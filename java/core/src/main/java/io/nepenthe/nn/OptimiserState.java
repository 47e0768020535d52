package io.nepenthe.nn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Mask;
import io.nepenthe.kernel.MaskedAdam;
import io.nepenthe.kernel.MaskedSgd;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/** An optimiser with its velocity or moments, bound to a model's flat parameters. */
public final class OptimiserState implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final Optimiser optimiser;
  private final Backend backend;
  private final Tensor weights;
  private final Tensor first;
  private final Tensor second;
  private final Optional<Mask.Part> mask;
  private long steps;

  OptimiserState(
      Optimiser optimiser, Parameters parameters, Backend backend, Optional<Mask.Part> mask) {
    this.optimiser = optimiser;
    this.backend = backend;
    this.weights = parameters.flat();
    this.first = Owned.orClose(arena::close, () -> backend.zeros(arena, weights.shape()));
    this.second =
        switch (optimiser) {
          case Optimiser.Sgd _ -> Model.EMPTY;
          case Optimiser.Adam _ ->
              Owned.orClose(arena::close, () -> backend.zeros(arena, weights.shape()));
        };
    this.mask = Owned.orClose(arena::close, () -> mask.map(part -> backend.freeze(arena, part)));
  }

  /** The steps taken so far. */
  public long steps() {
    return steps;
  }

  /**
   * One step.
   *
   * @param gradient of the summed loss, of all parameters
   * @param rateFactor multiplies the base learning rate
   * @param gradientScale multiplies the gradient: 1 / batch for the mean loss, negative to ascend
   */
  public void step(Parameters gradient, double rateFactor, float gradientScale) {
    steps++;
    switch (optimiser) {
      case Optimiser.Sgd(MaskedSgd.Options base) -> {
        MaskedSgd.Options options =
            base.withLearningRate((float) (base.learningRate() * rateFactor))
                .withGradientScale(gradientScale);
        if (mask.isPresent()) {
          backend.maskedSgd(weights, first, gradient.flat(), mask.get(), options);
        } else {
          backend.sgd(weights, first, gradient.flat(), options);
        }
      }
      case Optimiser.Adam(MaskedAdam.Options base) -> {
        MaskedAdam.Options options =
            base.withLearningRate((float) (base.learningRate() * rateFactor))
                .withGradientScale(gradientScale);
        if (mask.isPresent()) {
          backend.maskedAdam(weights, first, second, gradient.flat(), mask.get(), steps, options);
        } else {
          backend.adam(weights, first, second, gradient.flat(), steps, options);
        }
      }
    }
  }

  /** Moves the weights that may change towards 0 by {@code threshold}, and no further. */
  public void shrink(float threshold) {
    backend.shrink(weights, mask, threshold);
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
