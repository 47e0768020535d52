package io.nepenthe.nn;

import io.nepenthe.tensor.Tensor;

/** Fills a new model; see {@link Model#initialise}. */
final class Initialisation {
  private Initialisation() {}

  static void fill(Parameters.Parameter parameter, long seed) {
    Tensor value = parameter.value();
    switch (parameter.spec().role()) {
      case WEIGHT -> {
        long fanIn = value.elements() / value.shape().size(0);
        uniform(value, Counter.key(seed, parameter.spec().name()), Math.sqrt(6.0 / fanIn));
      }
      case SCALE, RUNNING_VARIANCE -> {
        for (long i = 0; i < value.elements(); i++) {
          value.set(i, 1);
        }
      }
      case BIAS, SHIFT, RUNNING_MEAN -> value.clear();
    }
  }

  private static void uniform(Tensor value, long key, double bound) {
    for (long i = 0; i < value.elements(); i++) {
      value.set(i, (float) (bound * (2 * Counter.unit(key, i) - 1)));
    }
  }
}
