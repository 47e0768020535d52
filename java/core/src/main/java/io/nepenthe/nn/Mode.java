package io.nepenthe.nn;

/** What an execution is for: which statistics normalise, whether dropout acts. */
public enum Mode {
  /** Forward only, with running statistics and no dropout; activations are not kept. */
  INFERENCE,
  /**
   * Forward and backward with running statistics, which do not change, and no dropout: for Fisher
   * information, saliency, influence.
   */
  FROZEN,
  /**
   * Forward and backward; batch normalisation uses the batch's statistics and moves the running
   * ones, dropout acts.
   */
  TRAIN,
  /**
   * Forward only, as {@link #TRAIN} but without dropout: re-estimates the running statistics and
   * nothing else.
   */
  RUNNING_STATISTICS;

  /** Whether batch normalisation uses and records the batch's statistics. */
  boolean batchStatistics() {
    return this == TRAIN || this == RUNNING_STATISTICS;
  }

  /** Whether a backward pass may follow. */
  boolean backward() {
    return this == FROZEN || this == TRAIN;
  }
}
