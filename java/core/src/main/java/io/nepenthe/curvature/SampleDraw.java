package io.nepenthe.curvature;

/**
 * Draws keyed by sample: the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over seed and id, so
 * that a draw depends on nothing else.
 */
final class SampleDraw {
  private SampleDraw() {}

  /** Uniform in [0, 1), 53 bits. */
  static double unit(long seed, long id) {
    return (mix(mix(seed + 0x9e3779b97f4a7c15L) + id) >>> 11) * 0x1p-53;
  }

  private static long mix(long bits) {
    long z = (bits ^ (bits >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
