package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Philox4x32-10, a counter-based generator: 128 random bits are a function of a 64-bit key and a
 * 128-bit counter, so that a draw depends on what it is for and on nothing else (Salmon, Moraes,
 * Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The counter's upper half is
 * a stream, its lower half an index; the bits are the same in Java, C++ and CUDA.
 *
 * <p>For instance the label that a sample's curvature is taken for is drawn with the seed as the
 * key, the sample's id as the stream and the number of the draw as the index.
 */
public final class Philox {
  private static final MethodHandle CPU =
      NativeLibrary.action("nep_philox", POINTER, LONG, LONG, LONG, LONG, INT);

  private static final int ROUNDS = 10;
  private static final long MULTIPLIER_0 = 0xD2511F53L;
  private static final long MULTIPLIER_1 = 0xCD9E8D57L;
  private static final int WEYL_0 = 0x9E3779B9;
  private static final int WEYL_1 = 0xBB67AE85;
  private static final long LOW = 0xffffffffL;

  private Philox() {}

  /** The bytes written for {@code words} words. */
  public static long bytes(long words) {
    return Long.BYTES * words;
  }

  /** No float operation is done; a block of two words takes ten rounds of two multiplications. */
  public static long flops(long words) {
    return 0 * words;
  }

  static void cpu(MemorySegment out, long key, long stream, long first, int threads) {
    check(out);
    try {
      CPU.invokeExact(out, out.byteSize() / Long.BYTES, key, stream, first, threads);
    } catch (Throwable thrown) {
      throw NativeLibrary.rethrow(thrown);
    }
  }

  static void check(MemorySegment out) {
    if (!out.isNative() || out.byteSize() % Long.BYTES != 0 || out.address() % Long.BYTES != 0) {
      throw new IllegalArgumentException("words need native memory, aligned to 8 bytes");
    }
  }

  /** Both words of one counter. */
  static long[] reference(long key, long stream, long index) {
    int c0 = (int) index;
    int c1 = (int) (index >>> 32);
    int c2 = (int) stream;
    int c3 = (int) (stream >>> 32);
    int k0 = (int) key;
    int k1 = (int) (key >>> 32);
    for (int round = 0; round < ROUNDS; round++) {
      long p0 = MULTIPLIER_0 * (c0 & LOW);
      long p1 = MULTIPLIER_1 * (c2 & LOW);
      c0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      c2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c1 = (int) p1;
      c3 = (int) p0;
      k0 += WEYL_0;
      k1 += WEYL_1;
    }
    return new long[] {(long) c1 << 32 | (c0 & LOW), (long) c3 << 32 | (c2 & LOW)};
  }

  /** The words of a run of counters, in plain Java. */
  static void reference(MemorySegment out, long key, long stream, long first) {
    for (long i = 0; i < out.byteSize() / Long.BYTES; i++) {
      long word = reference(key, stream, first + i / 2)[(int) (i % 2)];
      out.setAtIndex(ValueLayout.JAVA_LONG, i, word);
    }
  }

  /** Uniform in [0, 1), 53 bits: the first word of a counter. */
  public static double uniform(long key, long stream, long index) {
    return (reference(key, stream, index)[0] >>> 11) * 0x1p-53;
  }

  /** Standard normal (Box, Muller 1958): both words of a counter. */
  public static double normal(long key, long stream, long index) {
    long[] words = reference(key, stream, index);
    double u = ((words[0] >>> 11) + 1) * 0x1p-53;
    double angle = 2 * Math.PI * ((words[1] >>> 11) * 0x1p-53);
    return StrictMath.sqrt(-2 * StrictMath.log(u)) * StrictMath.cos(angle);
  }
}
