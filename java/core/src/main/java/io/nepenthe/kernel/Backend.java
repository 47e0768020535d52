package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * The operations of one device. Every output is the caller's; arguments are checked before anything
 * is touched: a wrong shape, an output that overlaps another argument or a bad option is an {@link
 * IllegalArgumentException}, memory that was closed an {@link IllegalStateException}. A backend is
 * used by one thread at a time.
 */
public sealed interface Backend extends AutoCloseable permits CpuBackend {
  /** The device that this runs on. */
  Device device();

  /**
   * What was chosen and why, one {@code key=value} a line: library, instruction set, oneDNN,
   * threads.
   */
  String describe();

  /**
   * Selective synaptic dampening of {@code weights}, in place.
   *
   * @param weights any shape; the weights with {@code forget > selection·reference} are scaled
   * @param forget importance for the forget set, of the same shape, not negative
   * @param reference importance for the reference (whole or retained) set, of the same shape
   * @see Dampen
   */
  Dampen.Result dampen(Tensor weights, Tensor forget, Tensor reference, Dampen.Options options);

  /**
   * Adds {@code terms} to {@code state} without drift.
   *
   * @param terms one term of the state's shape, or N of them with a leading dimension N, added in
   *     order; one call with N terms and any split of it into several leave the same bits
   * @see Accumulate
   */
  void accumulate(DriftFreeSum state, Tensor terms);

  /** Adds the absolute values of {@code terms}, otherwise as {@link #accumulate}. */
  void accumulateAbs(DriftFreeSum state, Tensor terms);

  /** Adds the squares of {@code terms}, otherwise as {@link #accumulate}. */
  void accumulateSquare(DriftFreeSum state, Tensor terms);

  /** Releases the backend's scratch memory; closing again does nothing. */
  @Override
  void close();
}
