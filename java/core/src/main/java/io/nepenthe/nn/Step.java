package io.nepenthe.nn;

import io.nepenthe.kernel.Dense;
import io.nepenthe.tensor.Tensor;

/** One node of a network, bound to memory for one batch size. */
interface Step {
  /** Computes the output from the inputs. */
  void forward();

  /** Tells the visitor, then computes the gradients of the inputs from that of the output. */
  void backward(LayerVisitor visitor);

  /** What the native library chose; empty for steps that plan nothing. */
  default String implementations() {
    return "";
  }

  /** Releases what was planned. */
  default void close() {}

  /**
   * Where the gradient of an input goes.
   *
   * @param destination what the operation writes
   * @param target the input's gradient: the destination itself, or what it is added to
   * @param wanted whether anything before needs it
   * @param accumulates whether the destination is added to the target; where they are the same, the
   *     operation adds to it itself
   */
  record Edge(Tensor destination, Tensor target, boolean wanted, boolean accumulates) {
    static final Edge UNWANTED = new Edge(Model.EMPTY, Model.EMPTY, false, false);

    /** Called when the destination is written. */
    void finish(Dense dense) {
      if (accumulates) {
        dense.add(target, destination, target);
      }
    }

    /** Writes or adds {@code values}. */
    void put(Dense dense, Tensor values) {
      if (destination.address() != values.address()) {
        destination.copyFrom(values.reshape(destination.shape()));
      }
      finish(dense);
    }
  }
}
