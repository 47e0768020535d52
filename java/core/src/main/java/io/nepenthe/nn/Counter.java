package io.nepenthe.nn;

/**
 * Counter-based random numbers: the i-th draw of a stream is a function of the stream's key and i
 * (SplitMix64's finaliser; Steele, Lea, Flood 2014), so that draws do not depend on their order.
 */
final class Counter {
  private Counter() {}

  /** The key of the stream that {@code seed} and {@code name} choose. */
  static long key(long seed, String name) {
    long hash = 0xcbf29ce484222325L;
    for (int i = 0; i < name.length(); i++) {
      hash = (hash ^ name.charAt(i)) * 0x100000001b3L;
    }
    return bits(bits(seed, 0), hash);
  }

  /** 64 random bits. */
  static long bits(long key, long index) {
    long z = key + (index + 1) * 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /** Uniform in [0, 1), 53 bits. */
  static double unit(long key, long index) {
    return (bits(key, index) >>> 11) * 0x1p-53;
  }
}
