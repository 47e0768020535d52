package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/** Launches of cuda/select_top.cu, and the few decisions between them, which the host takes. */
final class CudaSelectTop {
  private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG;
  private static final long HIGH_WORDS = 1L << 13;
  private static final long LOW_WORDS = 1L << 18;
  private static final long BLOCK = 65536;
  private static final long WRITTEN = 64 * 128;
  // The words of a cut.
  private static final int FIELDS = 4;
  private static final int REMAINING = 0;
  private static final int KEY = 1;
  private static final int SLOT = 2;
  private static final int TIES = 3;

  private final CudaContext context;
  private final CudaContext.Operation op;
  private final List<Tensor> values;
  private final long[] on;
  private final MaskStack out;
  private final long[] wanted;
  private final MemorySegment cuts;
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
    this.cuts = arena.allocate((long) wanted.length * FIELDS * Long.BYTES, Long.BYTES);
    this.deviceCuts = op.scratch(cuts.byteSize());
    for (int cut = 0; cut < wanted.length; cut++) {
      field(cut, REMAINING, wanted[cut]);
    }
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
      return new CudaSelectTop(context, op, arena, values, out, wanted).select(arena);
    }
  }

  private List<SelectTop.Cut> select(Arena arena) {
    high(arena);
    low(arena);
    if (out.block().byteSize() > 0) {
      write(arena);
    }
    List<SelectTop.Cut> result = new ArrayList<>();
    for (int cut = 0; cut < wanted.length; cut++) {
      float threshold = wanted[cut] == 0 ? Float.NaN : Float.intBitsToFloat((int) field(cut, KEY));
      result.add(
          new SelectTop.Cut(wanted[cut], threshold, field(cut, TIES), field(cut, REMAINING)));
    }
    return result;
  }

  private void high(Arena arena) {
    long histogram = op.zeros((HIGH_WORDS + 1) * Long.BYTES);
    long invalid = histogram + HIGH_WORDS * Long.BYTES;
    each(
        (t, n) ->
            op.launch(
                "nep_select_top_high",
                context.blocks("nep_select_top_high", n, 16),
                on[t],
                n,
                histogram,
                invalid));
    MemorySegment nan = arena.allocate(WORD);
    context.driver().download(nan, invalid);
    if (nan.get(WORD, 0) > 0) {
      throw new IllegalArgumentException(
          nan.get(WORD, 0) + " of the values are NaN, which has no magnitude to select by");
    }
    cut(histogram, 0);
  }

  private void low(Arena arena) {
    TreeSet<Long> bins = new TreeSet<>();
    for (int cut = 0; cut < wanted.length; cut++) {
      if (wanted[cut] > 0) {
        bins.add(field(cut, KEY));
      }
    }
    for (int cut = 0; cut < wanted.length; cut++) {
      field(cut, SLOT, wanted[cut] > 0 ? bins.headSet(field(cut, KEY)).size() : -1);
    }
    int slots = bins.size();
    long histograms = op.zeros(Math.max(1, slots) * LOW_WORDS * Long.BYTES);
    if (slots > 0) {
      MemorySegment list = arena.allocate((long) slots * Integer.BYTES, Integer.BYTES);
      int at = 0;
      for (long bin : bins) {
        list.setAtIndex(ValueLayout.JAVA_INT, at++, (int) bin);
      }
      long deviceBins = op.upload(list);
      each(
          (t, n) ->
              op.launch(
                  "nep_select_top_low",
                  context.blocks("nep_select_top_low", n, 16),
                  on[t],
                  n,
                  deviceBins,
                  slots,
                  histograms));
    }
    cut(histograms, 1);
  }

  private void cut(long histograms, int low) {
    context.driver().upload(deviceCuts, cuts);
    op.launch("nep_select_top_cut", wanted.length, histograms, deviceCuts, low);
    context.driver().download(cuts, deviceCuts);
  }

  private void write(Arena arena) {
    long bits = op.scratch(out.block().byteSize());
    long tieWords = values.stream().mapToLong(CudaSelectTop::blocks).sum() * wanted.length;
    long ties = op.zeros(tieWords * Long.BYTES);
    long[] tiesOf = new long[values.size()];
    long block = 0;
    for (int t = 0; t < values.size(); t++) {
      tiesOf[t] = ties + block * wanted.length * Long.BYTES;
      block += blocks(values.get(t));
    }
    each(
        (t, n) ->
            op.launch(
                "nep_select_top_write",
                (n + WRITTEN - 1) / WRITTEN,
                on[t],
                n,
                deviceCuts,
                wanted.length,
                bitsOf(bits, t),
                out.stride(),
                tiesOf[t]));
    MemorySegment met = arena.allocate(tieWords * Long.BYTES, Long.BYTES);
    context.driver().download(met, ties);
    if (keep(met)) {
      context.driver().upload(ties, met);
      each(
          (t, n) ->
              op.launch(
                  "nep_select_top_trim",
                  new CudaDriver.Grid(blocks(values.get(t)), wanted.length, 1),
                  on[t],
                  n,
                  deviceCuts,
                  wanted.length,
                  bitsOf(bits, t),
                  out.stride(),
                  tiesOf[t]));
    }
    context.driver().download(out.block(), bits);
  }

  /**
   * Turns the numbers of ties into the numbers to keep, −1 for all; whether some are to be cleared.
   */
  private boolean keep(MemorySegment met) {
    long[] left = new long[wanted.length];
    for (int cut = 0; cut < wanted.length; cut++) {
      left[cut] = field(cut, REMAINING);
    }
    boolean surplus = false;
    for (long at = 0; at < met.byteSize() / Long.BYTES; at++) {
      int cut = (int) (at % wanted.length);
      long count = met.getAtIndex(WORD, at);
      long taken = Math.min(count, left[cut]);
      left[cut] -= taken;
      surplus |= taken < count;
      met.setAtIndex(WORD, at, taken < count ? taken : -1);
    }
    return surplus;
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

  private static long blocks(Tensor tensor) {
    return (tensor.elements() + BLOCK - 1) / BLOCK;
  }

  private long field(int cut, int field) {
    return cuts.getAtIndex(WORD, (long) cut * FIELDS + field);
  }

  private void field(int cut, int field, long value) {
    cuts.setAtIndex(WORD, (long) cut * FIELDS + field, value);
  }
}
