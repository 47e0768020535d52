package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** Launches of cuda/select_top.cu; the host waits for the cuts, and for the masks. */
final class CudaSelectTop {
  private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG;
  private static final long HIGH_WORDS = 1L << 13;
  private static final long LOW_WORDS = 1L << 18;
  private static final long SEGMENTS = 512;
  private static final long BLOCK = 65536;
  private static final int EACH = 64; // values a thread, or the blocks are too many
  // The words of a cut.
  private static final int FIELDS = 4;
  private static final int REMAINING = 0;
  private static final int KEY = 1;
  private static final int TIES = 3;

  private final CudaContext context;
  private final CudaContext.Operation op;
  private final List<Tensor> values;
  private final long[] on;
  private final MaskStack out;
  private final long[] wanted;
  private final MemorySegment cuts; // and the number of NaN
  private final long deviceCuts;

  private CudaSelectTop(
      CudaContext context,
      CudaContext.Operation op,
      Arena arena,
      List<Tensor> values,
      MaskStack out,
      long[] wanted) {
    this.context = context;
    this.op = op;
    this.values = values;
    this.on = values.stream().mapToLong(op::read).toArray();
    this.out = out;
    this.wanted = wanted;
    this.cuts = arena.allocate(((long) wanted.length * FIELDS + 1) * Long.BYTES, Long.BYTES);
    for (int cut = 0; cut < wanted.length; cut++) {
      cuts.setAtIndex(WORD, (long) cut * FIELDS + REMAINING, wanted[cut]);
    }
    this.deviceCuts = op.upload(cuts);
  }

  static List<SelectTop.Cut> run(
      CudaContext context, List<Tensor> values, MaskStack out, double... ratios) {
    long total = SelectTop.check(values, out, ratios);
    long[] wanted = new long[ratios.length];
    for (int cut = 0; cut < ratios.length; cut++) {
      wanted[cut] = SelectTop.count(ratios[cut], total);
    }
    try (var op =
            context.begin(
                "selectTop",
                total + " values, " + ratios.length + " cuts",
                SelectTop.bytes(total, ratios.length),
                SelectTop.flops(total, ratios.length));
        Arena arena = Arena.ofConfined()) {
      return new CudaSelectTop(context, op, arena, values, out, wanted).select();
    }
  }

  private List<SelectTop.Cut> select() {
    high();
    low();
    boolean some = out.block().byteSize() > 0;
    long bits = some ? op.scratch(out.block().byteSize()) : 0;
    long blocks = values.stream().mapToLong(CudaSelectTop::blocks).sum();
    long ties = some ? op.zeros(blocks * wanted.length * Long.BYTES) : 0;
    if (some) {
      write(bits, ties);
    }
    context.driver().download(cuts, deviceCuts);
    refuseNaN();
    if (some) {
      trim(bits, ties, blocks);
      context.driver().download(out.block(), bits);
    }
    List<SelectTop.Cut> result = new ArrayList<>();
    for (int cut = 0; cut < wanted.length; cut++) {
      float threshold = wanted[cut] == 0 ? Float.NaN : Float.intBitsToFloat((int) field(cut, KEY));
      result.add(
          new SelectTop.Cut(wanted[cut], threshold, field(cut, TIES), field(cut, REMAINING)));
    }
    return result;
  }

  private void refuseNaN() {
    long nan = field(wanted.length, 0);
    if (nan > 0) {
      throw new IllegalArgumentException(
          nan + " of the values are NaN, which has no magnitude to select by");
    }
  }

  private void high() {
    long histogram = op.zeros(HIGH_WORDS * Long.BYTES);
    long invalid = deviceCuts + (long) wanted.length * FIELDS * Long.BYTES;
    String kernel = "nep_select_top_high";
    each(
        (t, n) -> op.launch(kernel, context.blocks(kernel, n, EACH), on[t], n, histogram, invalid));
    cut(histogram, 1, HIGH_WORDS, 0);
  }

  private void low() {
    long histograms = op.zeros(wanted.length * LOW_WORDS * Long.BYTES);
    String kernel = "nep_select_top_low";
    each(
        (t, n) ->
            op.launch(
                kernel,
                context.blocks(kernel, n, EACH),
                on[t],
                n,
                deviceCuts,
                wanted.length,
                histograms));
    cut(histograms, wanted.length, LOW_WORDS, 1);
  }

  private void cut(long histograms, long count, long bins, int low) {
    long segments = count * SEGMENTS;
    long sums = op.scratch(segments * Long.BYTES);
    op.launch(
        "nep_select_top_segments",
        context.allBlocks("nep_select_top_segments", segments * 32),
        histograms,
        segments,
        (int) (bins / SEGMENTS),
        sums);
    op.launch("nep_select_top_cut", wanted.length, histograms, sums, deviceCuts, low);
  }

  private void write(long bits, long ties) {
    String kernel = "nep_select_top_write";
    eachWithTies(
        ties,
        (t, n, its) ->
            op.launch(
                kernel,
                context.blocks(kernel, n, EACH),
                on[t],
                n,
                deviceCuts,
                wanted.length,
                bitsOf(bits, t),
                out.stride(),
                its));
  }

  /** Clears the values equal to a threshold of which there are more than are wanted. */
  private void trim(long bits, long ties, long blocks) {
    boolean surplus = false;
    for (int cut = 0; cut < wanted.length; cut++) {
      surplus |= field(cut, REMAINING) < field(cut, TIES);
    }
    if (!surplus) {
      return;
    }
    op.launch("nep_select_top_keep", wanted.length, deviceCuts, wanted.length, blocks, ties);
    eachWithTies(
        ties,
        (t, n, its) ->
            op.launch(
                "nep_select_top_trim",
                new CudaDriver.Grid(blocks(values.get(t)), wanted.length, 1),
                on[t],
                n,
                deviceCuts,
                wanted.length,
                bitsOf(bits, t),
                out.stride(),
                its));
  }

  private long bitsOf(long bits, int tensor) {
    return bits + out.block().byteSize() - out.from(tensor).byteSize();
  }

  private interface Each {
    void tensor(int index, long elements);
  }

  private void each(Each body) {
    for (int t = 0; t < on.length; t++) {
      if (values.get(t).elements() > 0) {
        body.tensor(t, values.get(t).elements());
      }
    }
  }

  private interface EachWithTies {
    void tensor(int index, long elements, long ties);
  }

  private void eachWithTies(long ties, EachWithTies body) {
    long at = ties;
    for (int t = 0; t < on.length; t++) {
      if (values.get(t).elements() > 0) {
        body.tensor(t, values.get(t).elements(), at);
      }
      at += blocks(values.get(t)) * wanted.length * Long.BYTES;
    }
  }

  private static long blocks(Tensor tensor) {
    return (tensor.elements() + BLOCK - 1) / BLOCK;
  }

  private long field(int cut, int field) {
    return cuts.getAtIndex(WORD, (long) cut * FIELDS + field);
  }
}
