package io.nepenthe.kernel;

import static io.nepenthe.kernel.NativeLibrary.INT;
import static io.nepenthe.kernel.NativeLibrary.LONG;
import static io.nepenthe.kernel.NativeLibrary.POINTER;

import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Exact global selection by magnitude: for each ratio ρ, a mask of the ⌊ρP⌋ values of largest |x|
 * among the P values of all tensors together. Weight saliency (Fan, Liu, Zhang, Wong, Wei, Liu:
 * SalUn, ICLR 2024, equation 4) takes the gradients of the forget loss as values.
 *
 * <pre>
 *   key(x) = bits(x) without the sign, 31 bits that order like |x|
 *   pass 1: histogram of key's upper 16 bits      → the bin of each ratio's last selected value
 *   pass 2: histograms of the lower 15 bits, in those bins only   → its key, exactly
 *   pass 3: bits key(x) ≥ that key; then, where only some of the values equal to it are wanted,
 *           the surplus is cleared in the blocks of 65,536 values after the cut
 * </pre>
 *
 * <p>All ratios share the passes; nothing is sorted. Exactly ⌊ρP⌋ bits are set: among values of
 * equal magnitude the lowest flat index wins (order of tensors, then index). ρ stands for the
 * decimal that {@link Double#toString} writes, and ⌊ρP⌋ is computed from that without rounding: 0.3
 * of 10 is 3, although the double nearest to 0.3 is below it. Zeros of both signs are equal,
 * infinities the largest; a NaN has no magnitude and is refused. A selection: the reference and
 * every instruction set agree bit for bit, whatever the number of threads.
 */
public final class SelectTop {
  /** The most ratios in one run. */
  public static final int MAX_RATIOS = 64;

  private static final MethodHandle HIGH =
      NativeLibrary.action("nep_select_top_high", POINTER, LONG, POINTER, POINTER, INT);
  private static final MethodHandle LOW =
      NativeLibrary.action("nep_select_top_low", POINTER, LONG, POINTER, INT, POINTER, INT);
  private static final MethodHandle CUT =
      NativeLibrary.action("nep_select_top_cut", POINTER, POINTER, INT, INT, INT);
  private static final MethodHandle WRITE =
      NativeLibrary.action(
          "nep_select_top_write", POINTER, LONG, POINTER, INT, POINTER, LONG, POINTER, INT);
  private static final MethodHandle TRIM =
      NativeLibrary.action(
          "nep_select_top_trim", POINTER, LONG, POINTER, INT, POINTER, LONG, POINTER, INT);

  private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG;
  private static final long HIGH_WORDS = 2L << 16; // two histograms a thread
  private static final long LOW_WORDS = 1L << 15;
  private static final long BLOCK = 65536;
  private static final long PER_THREAD = 1 << 20; // values that are worth a thread's histograms
  // The words of a cut.
  private static final int FIELDS = 4;
  private static final int REMAINING = 0;
  private static final int KEY = 1;
  private static final int SLOT = 2;
  private static final int TIES = 3;

  private SelectTop() {}

  /**
   * Where one ratio cut.
   *
   * @param selected ⌊ρP⌋, the number of bits set
   * @param threshold the smallest selected magnitude; NaN when nothing is selected
   * @param ties how many values have just that magnitude
   * @param tiesSelected how many of these are selected
   */
  public record Cut(long selected, float threshold, long ties, long tiesSelected) {}

  /** The bytes moved for n values and that many ratios: three reads, and a bit each written. */
  public static long bytes(long n, int ratios) {
    return 3 * Float.BYTES * n + ratios * n / Byte.SIZE;
  }

  /** The operations for n values: two bins, and a comparison for each ratio in passes 2 and 3. */
  public static long flops(long n, int ratios) {
    return (2 + 2L * ratios) * n;
  }

  /** ⌊ratio · total⌋, the ratio taken as the decimal that it prints as. */
  static long count(double ratio, long total) {
    return BigDecimal.valueOf(ratio)
        .multiply(BigDecimal.valueOf(total))
        .toBigInteger()
        .longValueExact();
  }

  static List<Cut> cpu(
      List<Tensor> values, MaskStack out, double[] ratios, Workspace workspace, int threads) {
    List<Tensor> fixed = List.copyOf(values);
    long total = check(fixed, out, ratios);
    try (Workspace.Turn turn = workspace.begin()) {
      return new Run(fixed, out, ratios, total, turn, threads).select();
    }
  }

  /** One run: the tensors, and the scratch memory cut into cuts, ties, invalid and histograms. */
  private static final class Run {
    private final List<Tensor> values;
    private final MaskStack out;
    private final int count;
    private final int threads;
    private final int counters;
    private final long[] wanted;
    private final MemorySegment cuts;
    private final MemorySegment ties;
    private final MemorySegment invalid;
    private final MemorySegment histograms;

    Run(
        List<Tensor> values,
        MaskStack out,
        double[] ratios,
        long total,
        Workspace.Turn turn,
        int threads) {
      this.values = values;
      this.out = out;
      this.count = ratios.length;
      this.threads = threads;
      this.counters = (int) Math.min(threads, 1 + total / PER_THREAD);
      long blocks = values.stream().mapToLong(tensor -> blocks(tensor)).sum();
      long cutWords = (long) FIELDS * count;
      long tieWords = blocks * count;
      long histogramWords = counters * Math.max(HIGH_WORDS, LOW_WORDS * count);
      MemorySegment scratch = turn.reserve((cutWords + tieWords + 1 + histogramWords) * Long.BYTES);
      cuts = scratch.asSlice(0, cutWords * Long.BYTES);
      ties = scratch.asSlice(cuts.byteSize(), tieWords * Long.BYTES);
      invalid = scratch.asSlice(cuts.byteSize() + ties.byteSize(), Long.BYTES);
      histograms =
          scratch.asSlice(
              cuts.byteSize() + ties.byteSize() + Long.BYTES, histogramWords * Long.BYTES);
      wanted = new long[count];
      for (int cut = 0; cut < count; cut++) {
        wanted[cut] = SelectTop.count(ratios[cut], total);
        field(cut, REMAINING, wanted[cut]);
      }
    }

    List<Cut> select() {
      try {
        high();
        long nan = invalid.get(WORD, 0);
        if (nan > 0) {
          throw new IllegalArgumentException(
              nan + " of the values are NaN, which has no magnitude to select by");
        }
        CUT.invokeExact(histograms, cuts, count, 0, counters);
        low();
        CUT.invokeExact(histograms, cuts, count, 1, counters);
        write();
        trim();
      } catch (Throwable thrown) {
        throw NativeLibrary.rethrow(thrown);
      }
      return result();
    }

    private void high() throws Throwable {
      histograms.asSlice(0, counters * HIGH_WORDS * Long.BYTES).fill((byte) 0);
      invalid.fill((byte) 0);
      for (Tensor tensor : values) {
        HIGH.invokeExact(tensor.segment(), tensor.elements(), histograms, invalid, counters);
      }
    }

    private void low() throws Throwable {
      long slots = 0;
      for (int cut = 0; cut < count; cut++) {
        slots = Math.max(slots, field(cut, SLOT) + 1); // a cut that wants nothing has slot -1
      }
      histograms.asSlice(0, counters * slots * LOW_WORDS * Long.BYTES).fill((byte) 0);
      for (Tensor tensor : values) {
        LOW.invokeExact(tensor.segment(), tensor.elements(), cuts, count, histograms, counters);
      }
    }

    private void write() throws Throwable {
      long block = 0;
      for (int t = 0; t < values.size(); t++) {
        Tensor tensor = values.get(t);
        WRITE.invokeExact(
            tensor.segment(),
            tensor.elements(),
            cuts,
            count,
            out.from(t),
            out.stride(),
            tiesFrom(block),
            threads);
        block += blocks(tensor);
      }
    }

    /** Turns the numbers of ties into the numbers to keep, and clears the surplus. */
    private void trim() throws Throwable {
      long[] left = new long[count];
      for (int cut = 0; cut < count; cut++) {
        left[cut] = field(cut, REMAINING);
      }
      long block = 0;
      for (int t = 0; t < values.size(); t++) {
        Tensor tensor = values.get(t);
        boolean surplus = keep(block, blocks(tensor), left);
        if (surplus) {
          TRIM.invokeExact(
              tensor.segment(),
              tensor.elements(),
              cuts,
              count,
              out.from(t),
              out.stride(),
              tiesFrom(block),
              threads);
        }
        block += blocks(tensor);
      }
    }

    /** Whether one of the blocks has ties past a cut; {@code left} counts down what is wanted. */
    private boolean keep(long firstBlock, long blocks, long[] left) {
      boolean surplus = false;
      for (long at = firstBlock * count; at < (firstBlock + blocks) * count; at++) {
        int cut = (int) (at % count);
        long met = ties.getAtIndex(WORD, at);
        long taken = Math.min(met, left[cut]);
        left[cut] -= taken;
        surplus |= taken < met;
        ties.setAtIndex(WORD, at, taken < met ? taken : -1);
      }
      return surplus;
    }

    private List<Cut> result() {
      List<Cut> result = new ArrayList<>(count);
      for (int cut = 0; cut < count; cut++) {
        result.add(
            new Cut(
                wanted[cut],
                wanted[cut] == 0 ? Float.NaN : Float.intBitsToFloat((int) field(cut, KEY)),
                field(cut, TIES),
                field(cut, REMAINING)));
      }
      return result;
    }

    private static long blocks(Tensor tensor) {
      return (tensor.elements() + BLOCK - 1) / BLOCK;
    }

    private MemorySegment tiesFrom(long block) {
      return ties.asSlice(block * count * Long.BYTES);
    }

    private long field(int cut, int field) {
      return cuts.getAtIndex(WORD, (long) cut * FIELDS + field);
    }

    private void field(int cut, int field, long value) {
      cuts.setAtIndex(WORD, (long) cut * FIELDS + field, value);
    }
  }

  /** The same in plain Java, by sorting: for at most 2³¹ values together. */
  static List<Cut> reference(List<Tensor> values, MaskStack out, double... ratios) {
    int total = Math.toIntExact(check(values, out, ratios));
    long[] order = new long[total];
    int[] tensors = new int[total];
    long[] indices = new long[total];
    int at = 0;
    for (int t = 0; t < values.size(); t++) {
      for (long i = 0; i < values.get(t).elements(); i++, at++) {
        tensors[at] = t;
        indices[at] = i;
        int key = Float.floatToRawIntBits(values.get(t).get(i)) & Integer.MAX_VALUE;
        order[at] = (long) (Integer.MAX_VALUE - key) << 32 | at;
      }
    }
    Arrays.sort(order);
    List<Cut> result = new ArrayList<>();
    for (int cut = 0; cut < ratios.length; cut++) {
      out.mask(cut).clear();
      int wanted = (int) count(ratios[cut], total);
      for (int place = 0; place < wanted; place++) {
        int flat = (int) order[place];
        out.mask(cut).part(tensors[flat]).set(indices[flat], true);
      }
      result.add(cutOf(order, wanted));
    }
    return result;
  }

  private static Cut cutOf(long[] order, int wanted) {
    if (wanted == 0) {
      return new Cut(0, Float.NaN, 0, 0);
    }
    long last = order[wanted - 1] >>> 32;
    long ties = Arrays.stream(order).filter(entry -> entry >>> 32 == last).count();
    long taken = Arrays.stream(order, 0, wanted).filter(entry -> entry >>> 32 == last).count();
    float threshold = Float.intBitsToFloat((int) (Integer.MAX_VALUE - last));
    return new Cut(wanted, threshold, ties, taken);
  }

  /** The number of values together. */
  static long check(List<Tensor> values, MaskStack out, double[] ratios) {
    if (ratios.length < 1 || ratios.length > MAX_RATIOS) {
      throw new IllegalArgumentException(
          "ratios must be 1 to " + MAX_RATIOS + ", found " + ratios.length);
    }
    for (double ratio : ratios) {
      if (!(ratio >= 0 && ratio <= 1)) {
        throw new IllegalArgumentException("a ratio must be in [0, 1], found " + ratio);
      }
    }
    if (out.count() != ratios.length || out.shapes().size() != values.size()) {
      throw new IllegalArgumentException(
          "out must hold "
              + ratios.length
              + " masks over "
              + values.size()
              + " tensors, found "
              + out.count()
              + " over "
              + out.shapes().size());
    }
    long total = 0;
    for (int t = 0; t < values.size(); t++) {
      Checks.shape("values[" + t + "]", values.get(t), out.shapes().get(t));
      Checks.disjoint("out", out.block(), "values[" + t + "]", values.get(t));
      total = Math.addExact(total, values.get(t).elements());
    }
    return total;
  }
}
