package io.nepenthe.curvature;

/** What Σ ggᵀ is divided by for KFAC's B, where T positions share a weight. */
public enum KfacScaling {
  /**
   * The samples, as in {@link KroneckerFactors}: B ⊗ A keeps the Fisher information's trace
   * (Grosse, Martens 2016).
   */
  KFC,
  /**
   * The samples and their positions, over all uses of a tied layer: B ⊗ A is T times smaller, and
   * layers of many positions count for more. What kronfluence computes; for comparisons with it.
   */
  KRONFLUENCE
}
