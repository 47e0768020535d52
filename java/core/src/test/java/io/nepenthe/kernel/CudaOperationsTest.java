package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.kernel.CudaTest.TwinSum;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Elementwise operations and selections give the plain Java bits, under every schedule. */
class CudaOperationsTest {
  private static final int[] SIZES = {0, 1, 3, 4, 5, 63, 64, 65, 257, 1009, 4096, 4097, 9001};

  /** Against the processor's float64 sums, within what the order of terms may change. */
  @Test
  void centredGrams() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(1, 2, 31, 32, 33, 65);
          int width = board.pick(1, 3, 31, 32, 33, 70);
          Twin rows = board.twin(board.normal(n, width));
          double[] want = CentredGram.of(rows.host);
          double[] got = board.cuda().centredGram(rows.device);
          assertEquals((long) n * n, got.length);
          for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
              // By Cauchy and Schwarz no less than a hundredth of Σ|terms| but by chance.
              double terms = Math.sqrt(want[i * n + i] * want[j * n + j]);
              double bound = 4 * (width + n) * 0x1p-53 * terms + (n == 1 ? 0 : 0x1p-1000);
              assertEquals(want[i * n + j], got[i * n + j], bound, "of rows " + i + ", " + j);
            }
          }
        });
  }

  @Test
  void dampen() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(SIZES);
          Twin weights = board.twin(board.normal(n));
          Twin forget = board.twin(importance(board, n));
          Twin reference = board.twin(importance(board, n));
          Dampen.Options options = new Dampen.Options(1.5f, 0.7f, 0.9f);
          Tensor plain = board.copy(weights.host);
          Dampen.Result want = Dampen.reference(weights.host, forget.host, reference.host, options);
          assertEquals(
              want, board.cuda().dampen(weights.device, forget.device, reference.device, options));
          weights.assertSame();
          forget.assertSame();
          dampenPlain(board, plain, forget.host, reference.host, options);
          KernelTest.assertBitwise(weights.host, plain);
          assertTrue(n < 1000 || want.selected() > n / 10);
        });
  }

  /** The obviously right kernel, and tensors of the host. */
  private static void dampenPlain(
      Board board, Tensor weights, Tensor forget, Tensor reference, Dampen.Options o) {
    long n = weights.elements();
    CudaContext context = board.cuda().context();
    try (var op = context.begin("plain", weights.shape(), 0, 0)) {
      long chunks = (n + 4095) / 4096;
      op.launch(
          "nep_dampen_plain",
          context.allBlocks("nep_dampen_plain", chunks),
          op.update(weights),
          op.read(forget),
          op.read(reference),
          n,
          o.selection(),
          o.dampening(),
          o.upper(),
          op.scratch(32 * Math.max(1, chunks)));
      op.finish();
    }
  }

  /** Of more chunks than a test has weights for: groups of several tiles, part of one, or none. */
  @Test
  void dampenGroups() {
    int tile = 64 * 256;
    everySchedule(
        Precision.FP32,
        board -> {
          int count = board.pick(1, 63, 64, 65, 1009, tile - 1, tile, tile + 1, 2 * tile + 77);
          MemorySegment chunks = board.arena().allocate(32L * count, 16);
          double[][] sums = new double[65][3];
          long[] counts = new long[3];
          float largest = 0;
          for (int group = 0; group < 64; group++) {
            int end = (int) ((long) count * (group + 1) / 64);
            for (int c = (int) ((long) count * group / 64); c < end; c++) {
              for (int k = 0; k < 3; k++) {
                float sum = board.random().nextFloat() * (1 << board.random().nextInt(20));
                int number = board.random().nextInt(4097);
                chunks.setAtIndex(ValueLayout.JAVA_FLOAT, 8L * c + k, sum);
                chunks.setAtIndex(ValueLayout.JAVA_INT, 8L * c + 4 + k, number);
                sums[group][k] += sum;
                counts[k] += number;
              }
              float change = board.random().nextFloat();
              chunks.setAtIndex(ValueLayout.JAVA_FLOAT, 8L * c + 3, change);
              largest = Math.max(largest, change);
            }
            for (int k = 0; k < 3; k++) {
              sums[64][k] += sums[group][k];
            }
          }
          MemorySegment got = board.arena().allocate(56, 8);
          CudaContext context = board.cuda().context();
          try (var op = context.begin("dampen", count + " chunks", 0, 0)) {
            long groups = op.scratch(64 * 56);
            long results = op.scratch(56);
            op.launch("nep_dampen_groups", 64, op.upload(chunks), (long) count, groups);
            op.launch("nep_dampen_totals", 1, groups, results, results + 24);
            context.driver().download(got, results);
          }
          for (int k = 0; k < 3; k++) {
            assertEquals(counts[k], got.getAtIndex(ValueLayout.JAVA_LONG, k));
            assertEquals(sums[64][k], got.getAtIndex(ValueLayout.JAVA_DOUBLE, 3 + k));
          }
          assertEquals(largest, got.getAtIndex(ValueLayout.JAVA_DOUBLE, 6));
        });
  }

  private static Tensor importance(Board board, int n) {
    float[] odd = {0, Float.NaN, Float.POSITIVE_INFINITY, Float.MIN_VALUE};
    Tensor tensor = Tensor.zeros(board.arena(), n);
    for (int i = 0; i < n; i++) {
      int kind = board.random().nextInt(32);
      tensor.set(i, kind < odd.length ? odd[kind] : board.random().nextFloat());
    }
    return tensor;
  }

  @Test
  void accumulate() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(0, 1, 3, 4, 5, 63, 64, 65, 131);
          TwinSum state = new TwinSum(board, Shape.of(n));
          for (Accumulate.Kind kind : Accumulate.Kind.values()) {
            Twin terms = board.twin(board.normal(board.pick(1, 40, 70, 130), n));
            Accumulate.reference(state.host, terms.host, kind);
            switch (kind) {
              case VALUE -> board.cuda().accumulate(state.device, terms.device);
              case ABSOLUTE -> board.cuda().accumulateAbs(state.device, terms.device);
              case SQUARE -> board.cuda().accumulateSquare(state.device, terms.device);
            }
            state.assertSame();
          }
          accumulatePlain(board, state, board.normal(3, n));
        });
  }

  private static void accumulatePlain(Board board, TwinSum state, Tensor terms) {
    long n = state.host.shape().elements();
    CudaContext context = board.cuda().context();
    try (var op = context.begin("plain", terms.shape(), 0, 0)) {
      op.launch(
          "nep_accumulate_plain",
          context.allBlocks("nep_accumulate_plain", n),
          op.update(state.sum.device),
          op.update(state.rest.device),
          op.read(terms),
          3L,
          n,
          2,
          state.device.phase());
    }
    state.device.advance(3);
    Accumulate.reference(state.host, terms, Accumulate.Kind.SQUARE);
    state.assertSame();
  }

  private static Mask.Part mask(Board board, int n) {
    Mask.Part part = Mask.zeros(board.arena(), List.of(Shape.of(n))).part(0);
    for (int i = 0; i < n; i++) {
      part.set(i, board.random().nextInt(3) > 0);
    }
    return part;
  }

  @Test
  void maskedSgd() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(SIZES);
          Twin weights = board.twin(board.normal(n));
          Twin velocity = board.twin(board.normal(n));
          Twin gradient = board.twin(board.normal(n));
          for (boolean nesterov : new boolean[] {false, true}) {
            var options = new MaskedSgd.Options(0.1f, 0.9f, 0.01f, nesterov, 0.5f);
            Optional<Mask.Part> mask =
                board.seed() % 3 == 0 ? Optional.empty() : Optional.of(mask(board, n));
            MaskedSgd.reference(weights.host, velocity.host, gradient.host, mask, options);
            Tensor g = nesterov ? gradient.device : gradient.host;
            if (mask.isPresent()) {
              board.cuda().maskedSgd(weights.device, velocity.device, g, mask.get(), options);
            } else {
              board.cuda().sgd(weights.device, velocity.device, g, options);
            }
            weights.assertSame();
            velocity.assertSame();
          }
          plainStep(board, weights, velocity, gradient);
        });
  }

  private static void plainStep(Board board, Twin weights, Twin velocity, Twin gradient) {
    long n = weights.host.elements();
    CudaContext context = board.cuda().context();
    try (var op = context.begin("plain", weights.host.shape(), 0, 0)) {
      op.launch(
          "nep_masked_sgd_plain",
          context.allBlocks("nep_masked_sgd_plain", n),
          op.update(weights.device),
          op.update(velocity.device),
          op.read(gradient.device),
          0L,
          n,
          0.1f,
          0.9f,
          0f,
          1f,
          0);
    }
    var options = MaskedSgd.Options.of(0.1f, 0.9f, 0);
    MaskedSgd.reference(weights.host, velocity.host, gradient.host, Optional.empty(), options);
    weights.assertSame();
  }

  @Test
  void maskedAdam() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(SIZES);
          Twin weights = board.twin(board.normal(n));
          Twin first = board.twin(Tensor.zeros(board.arena(), n));
          Twin second = board.twin(Tensor.zeros(board.arena(), n));
          Twin gradient = board.twin(board.normal(n));
          MaskedAdam.Options options =
              board.seed() % 2 == 0
                  ? MaskedAdam.Options.adam(0.01f)
                  : MaskedAdam.Options.adamW(0.01f, 0.1f);
          for (int step = 1; step <= 3; step++) {
            Optional<Mask.Part> mask = step == 2 ? Optional.empty() : Optional.of(mask(board, n));
            MaskedAdam.reference(
                weights.host, first.host, second.host, gradient.host, mask, step, options);
            if (mask.isPresent()) {
              board
                  .cuda()
                  .maskedAdam(
                      weights.device,
                      first.device,
                      second.device,
                      gradient.device,
                      mask.get(),
                      step,
                      options);
            } else {
              board
                  .cuda()
                  .adam(
                      weights.device, first.device, second.device, gradient.device, step, options);
            }
            weights.assertSame();
            first.assertSame();
            second.assertSame();
          }
        });
  }

  @Test
  void selectTop() {
    everySchedule(
        Precision.FP32,
        board -> {
          List<Tensor> host = new ArrayList<>();
          List<Tensor> device = new ArrayList<>();
          int few = board.pick(3, 1000, 1 << 20); // values that differ: many ties, or none
          for (int n : new int[] {board.pick(0, 1, 63), board.pick(64, 65, 129), 8200}) {
            Tensor values = Tensor.zeros(board.arena(), n);
            for (int i = 0; i < n; i++) {
              values.set(i, (board.random().nextInt(2 * few + 1) - few) * 0.37f);
            }
            host.add(values);
            device.add(board.twin(values).device);
          }
          double[] ratios = {0, 0.1, 0.3, 0.30001, 1};
          List<Shape> shapes = host.stream().map(Tensor::shape).toList();
          MaskStack want = MaskStack.zeros(board.arena(), ratios.length, shapes);
          MaskStack got = MaskStack.zeros(board.arena(), ratios.length, shapes);
          assertEquals(
              SelectTop.reference(host, want, ratios), board.cuda().selectTop(device, got, ratios));
          assertArrayEquals(
              want.block().toArray(ValueLayout.JAVA_LONG),
              got.block().toArray(ValueLayout.JAVA_LONG));
        });
  }

  /** From every place of a 16 bytes' load, around the values that a warp takes at once. */
  @Test
  void selectTopOfPartsAnywhere() {
    double[] many = new double[SelectTop.MAX_RATIOS];
    for (int r = 0; r < many.length; r++) {
      many[r] = r / (2.0 * many.length);
    }
    float[] odd = {0, -0f, Float.POSITIVE_INFINITY, Float.MIN_VALUE, -Float.MAX_VALUE, 1, -1};
    everySchedule(
        Precision.FP32,
        board -> {
          Tensor device = board.cuda().zeros(board.arena(), Shape.of(5000));
          Tensor all = board.normal(5000);
          for (int i = 0; i < all.elements(); i++) {
            int kind = board.random().nextInt(4 * odd.length);
            all.set(i, kind < odd.length ? odd[kind] : all.get(i));
          }
          device.copyFrom(all);
          List<Tensor> host = new ArrayList<>();
          List<Tensor> parts = new ArrayList<>();
          int at = board.seed() % 4;
          for (int n : new int[] {board.pick(1, 2, 3, 5), board.pick(255, 256, 257), 0, 2049, 1}) {
            host.add(all.slice(at, Shape.of(n)));
            parts.add(device.slice(at, Shape.of(n)));
            at += n + board.random().nextInt(9);
          }
          double[] few = {0.5, board.seed() % 2, 0.001, 0.5001};
          double[] ratios = board.seed() == 4 ? many : few;
          List<Shape> shapes = host.stream().map(Tensor::shape).toList();
          MaskStack want = MaskStack.zeros(board.arena(), ratios.length, shapes);
          MaskStack got = MaskStack.zeros(board.arena(), ratios.length, shapes);
          assertEquals(
              SelectTop.reference(host, want, ratios), board.cuda().selectTop(parts, got, ratios));
          assertEquals(-1, want.block().mismatch(got.block()));
        });
  }

  /** More blocks than the emulator could count values for. */
  @Test
  void selectTopKeepsTheFirstTies() {
    everySchedule(
        Precision.FP32,
        board -> {
          int blocks = board.pick(1, 511, 512, 513, 1600);
          int count = board.pick(1, 3, 2);
          MemorySegment ties = board.arena().allocate(8L * blocks * count, 8);
          MemorySegment cuts = board.arena().allocate(32L * count, 8);
          long[] want = new long[blocks * count];
          for (int r = 0; r < count; r++) {
            long left = board.random().nextInt(1, 2 * blocks + 2);
            cuts.setAtIndex(ValueLayout.JAVA_LONG, 4L * r, left);
            for (int b = 0; b < blocks; b++) {
              long met = Math.max(0, board.random().nextInt(7) - 3);
              ties.setAtIndex(ValueLayout.JAVA_LONG, (long) b * count + r, met);
              want[b * count + r] = met > left ? left : -1;
              left -= Math.min(met, left);
            }
          }
          CudaContext context = board.cuda().context();
          try (var op = context.begin("keep", blocks + " blocks", 0, 0)) {
            long on = op.upload(ties);
            op.launch("nep_select_top_keep", count, op.upload(cuts), count, (long) blocks, on);
            context.driver().download(ties, on);
          }
          assertArrayEquals(want, ties.toArray(ValueLayout.JAVA_LONG));
        });
  }

  @Test
  void selectTopOverSeveralBlocksOfTiesAndNaN() {
    try (Backend cuda = CudaTest.emulated(1, Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      int n = 2 * 65536 + 77;
      Tensor values = Tensor.zeros(arena, n);
      for (int i = 0; i < n; i++) {
        values.set(i, i % 5 == 0 ? 2 : -1);
      }
      double[] ratios = {0.5, 0.9};
      MaskStack want = MaskStack.zeros(arena, 2, List.of(values.shape()));
      MaskStack got = MaskStack.zeros(arena, 2, List.of(values.shape()));
      assertEquals(
          SelectTop.reference(List.of(values), want, ratios),
          cuda.selectTop(List.of(values), got, ratios));
      assertEquals(-1, want.block().mismatch(got.block()));
      values.set(77, Float.NaN);
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () -> cuda.selectTop(List.of(values), got, ratios))
              .getMessage()
              .startsWith("1 of the values are NaN"));
      assertEquals(-1, want.block().mismatch(got.block()));
    }
  }

  @Test
  void tensorsOfAnotherDeviceAreRefused() {
    try (Backend one = CudaTest.emulated(1, Precision.FP32);
        Backend other = CudaTest.emulated(2, Precision.FP32);
        Backend cpu = Device.cpu(1).open();
        Arena arena = Arena.ofConfined()) {
      Tensor here = one.zeros(arena, Shape.of(4));
      Tensor there = other.zeros(arena, Shape.of(4));
      Tensor host = Tensor.zeros(arena, 4);
      assertTrue(one.holds(here) && !one.holds(there) && !cpu.holds(here) && cpu.holds(host));
      assertThrows(IllegalArgumentException.class, () -> one.dense().relu(here, there));
      assertThrows(IllegalStateException.class, () -> cpu.dense().relu(here, host));
      assertThrows(IllegalStateException.class, () -> here.get(0));
      assertThrows(IllegalStateException.class, here::toArray);
      assertThrows(IllegalArgumentException.class, () -> here.copyFrom(there));
    }
  }

  @Test
  void aDeviceWithoutRoomSaysWhatWasWantedAndWhatThereIs() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      long bytes =
          ((cuda.context().driver().memory().total() >> 21) + 1) << 21; // as it is asked for
      CudaException seen =
          assertThrows(CudaException.class, () -> cuda.zeros(arena, Shape.of(bytes / Float.BYTES)));
      assertTrue(
          seen.getMessage().contains("a tensor of shape")
              && seen.getMessage().contains("needs %,d bytes".formatted(bytes))
              && seen.getMessage().contains("remedy"),
          seen.getMessage());
    }
  }
}
