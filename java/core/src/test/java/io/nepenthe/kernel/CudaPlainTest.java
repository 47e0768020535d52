package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/**
 * The shipped kernels give the bits of the obviously right ones beside them, on the same device.
 */
class CudaPlainTest {
  /** Launches on one device. */
  private static final class Bench implements AutoCloseable {
    private final Board board;
    private final CudaContext context;
    private final CudaContext.Operation op;

    Bench(Board board) {
      this.board = board;
      this.context = board.cuda().context();
      this.op = context.begin("plain", "", 0, 0);
    }

    long read(Tensor tensor) {
      return op.read(tensor);
    }

    /** A thread an element of {@code threads}, or fewer threads in a loop. */
    void launch(String kernel, long threads, Object... arguments) {
      op.launch(kernel, context.allBlocks(kernel, threads), arguments);
    }

    /** Room for so many doubles. */
    long doubles(long count) {
      return op.scratch(count * Double.BYTES);
    }

    /** What is there now. */
    double[] doubles(long address, long count) {
      MemorySegment host = board.arena().allocate(count * Double.BYTES, Double.BYTES);
      context.driver().download(host, address);
      return host.toArray(ValueLayout.JAVA_DOUBLE);
    }

    Twin out(Shape shape) {
      return board.twin(board.normal(shape.elements()).reshape(shape));
    }

    /**
     * Runs a kernel and its plain form, which write to the address in the array at {@code at}.
     *
     * @param threads for the plain one
     */
    void compare(String kernel, long threads, Shape shape, int at, Object... arguments) {
      Twin shipped = out(shape);
      Twin plain = board.twin(shipped.host);
      arguments[at] = shipped.device.address();
      op.launch(kernel, context.blocks(kernel, shape.elements(), 4), arguments);
      arguments[at] = plain.device.address();
      launch(kernel + "_plain", threads, arguments);
      KernelTest.assertBitwise(plain.now(), shipped.now());
    }

    @Override
    public void close() {
      op.close();
    }
  }

  @Test
  void activations() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(1, 3, 5, 257, 600);
          Shape shape = Shape.of(n);
          try (Bench bench = new Bench(board)) {
            long a = bench.read(board.normal(n));
            long b = bench.read(board.normal(n));
            long count = n;
            bench.compare("nep_activation_relu", n, shape, 1, a, 0L, count);
            bench.compare("nep_activation_relu_gradient", n, shape, 2, a, b, 0L, count);
            bench.compare("nep_activation_celu", n, shape, 1, a, 0L, count, 0.7f);
            bench.compare("nep_activation_celu_gradient", n, shape, 2, a, b, 0L, count, 0.7f);
            bench.compare("nep_activation_add", n, shape, 2, a, b, 0L, count);
            long rows = board.pick(1, 2, 7);
            Twin shipped = bench.out(Shape.of(rows, n));
            Twin plain = board.twin(shipped.host);
            bench.launch(
                "nep_activation_multiply_rows_plain",
                rows * n,
                plain.device.address(),
                a,
                rows,
                count);
            bench.op.launch(
                "nep_activation_multiply_rows",
                new CudaDriver.Grid(1, board.pick(1, 3), 1),
                shipped.device.address(),
                a,
                rows,
                count);
            KernelTest.assertBitwise(plain.now(), shipped.now());
            bench.compare("nep_activation_dropout", n, shape, 1, a, 0L, count, 9L, 1L << 31, 2f);
            bench.compare("nep_roof_copy", n, shape, 0, 0L, a, count);
            bench.compare("nep_roof_triad", n, shape, 0, 0L, a, b, 3f, count);
          }
        });
  }

  private static Window window(Board board) {
    Window window = Window.of(board.pick(2, 3), 2).withStride(board.pick(1, 2));
    return window.withDilation(board.pick(1, 2, 1)).withPadding(1, 1, board.pick(0, 1), 0);
  }

  @Test
  void pooling() {
    everySchedule(
        Precision.FP32,
        board -> {
          Window w = window(board);
          int batch = board.pick(1, 3);
          int channels = board.pick(1, 3, 5);
          Shape images = Shape.of(batch, 6, 7, channels);
          Shape pooled = Shape.of(batch, w.outputHeight(6), w.outputWidth(7), channels);
          long threads = (long) batch * channels;
          Tensor values = board.normal(batch, 6, 7, channels);
          for (long i = 0; i < values.elements(); i++) {
            values.set(i, Math.round(values.get(i))); // equal maxima
          }
          Tensor best = Tensor.zeros(board.arena(), pooled);
          board.cpu().dense().maxPool(values, best, w);
          try (Bench bench = new Bench(board)) {
            long x = bench.read(values);
            long y = bench.read(best);
            long dy = bench.read(board.normal(pooled.elements()));
            Object[] sizes = CudaPool.sizes(images, pooled, w, 2, 0);
            sizes[0] = x;
            bench.compare("nep_pool_max", threads, pooled, 1, sizes);
            sizes = CudaPool.sizes(images, pooled, w, 4, 0);
            sizes[0] = x;
            sizes[1] = y;
            sizes[2] = dy;
            bench.compare("nep_pool_max_gradient", threads, images, 3, sizes);
            sizes = CudaPool.sizes(images, pooled, w, 2, 1);
            sizes[sizes.length - 1] = board.seed() % 2;
            sizes[0] = x;
            bench.compare("nep_pool_average", threads, pooled, 1, sizes);
            sizes[0] = dy;
            bench.compare("nep_pool_average_gradient", threads, images, 1, sizes);
          }
        });
  }

  @Test
  void padding() {
    everySchedule(
        Precision.FP32,
        board -> {
          Padding p = CudaDenseTest.padding(board);
          int batch = board.pick(1, 3);
          int channels = board.pick(1, 3, 5);
          Shape images = Shape.of(batch, 6, 7, channels);
          Shape padded = Shape.of(batch, p.outputHeight(6), p.outputWidth(7), channels);
          long threads = (long) batch * channels;
          try (Bench bench = new Bench(board)) {
            Object[] sizes = CudaPad.sizes(images, padded, p, 1);
            sizes[0] = bench.read(board.normal(images.elements()));
            bench.compare("nep_pad", threads, padded, 1, sizes);
            sizes = CudaPad.sizes(images, padded, p, 0);
            sizes[0] = bench.read(board.normal(padded.elements()));
            bench.compare("nep_pad_gradient", threads, images, 1, sizes);
          }
        });
  }

  @Test
  void unfolding() {
    everySchedule(
        Precision.FP32,
        board -> {
          int groups = board.pick(1, 2);
          var c =
              new Affine.Convolution(
                  board.pick(1, 3), 6, 5, groups * 3L, groups, window(board), groups, false);
          Shape out = c.output();
          long columns = c.weights().elements();
          Shape unfolded = Shape.of(out.size(0) * out.size(1) * out.size(2), columns);
          long threads = c.batch() * c.inputs();
          try (Bench bench = new Bench(board)) {
            long images = bench.read(board.normal(c.input().elements()));
            long rows = bench.read(board.normal(unfolded.elements()));
            bench.compare(
                "nep_unfold",
                threads,
                unfolded,
                1,
                CudaAffinePlan.unfolding(images, 0, c.batch(), c));
            for (boolean add : new boolean[] {false, true}) {
              bench.compare(
                  "nep_unfold_back",
                  threads,
                  c.input(),
                  1,
                  CudaAffinePlan.folding(rows, 0, add, c.batch(), c));
            }
            bench.compare(
                "nep_unfold_rows",
                columns * 4,
                Shape.of(4, columns),
                1,
                rows,
                0L,
                columns * 4,
                columns);
          }
        });
  }

  @Test
  void batchNormalisation() {
    everySchedule(
        Precision.FP32,
        board -> {
          boolean many = board.seed() == 7; // groups of more blocks than are read at once
          int channels = many ? 3 : board.pick(1, 3, 5, 9, 4, 12);
          int rows = many ? 64 * 64 * 17 + 5 : board.pick(1, 2, 63, 65, 200, 4200);
          Shape one = Shape.of(channels);
          Shape all = Shape.of(rows, channels);
          long count = rows;
          long of = channels;
          Tensor values = board.normal(rows, channels);
          Tensor gradients = board.normal(rows, channels);
          Tensor mean = Tensor.zeros(board.arena(), channels);
          Tensor variance = Tensor.zeros(board.arena(), channels);
          Dense dense = board.cuda().dense();
          try (Bench bench = new Bench(board)) {
            long x = bench.read(values);
            long dy = bench.read(gradients);
            dense.batchNormStatistics(values, mean, variance);
            long means = bench.read(mean);
            Tensor[] sums = {mean, variance, board.copy(mean), board.copy(mean)};
            dense.batchNormSums(values, gradients, sums[2], sums[3], false);
            for (int kind = 0; kind < 3; kind++) {
              Twin plain = bench.out(one);
              bench.launch(
                  "nep_batch_norm_sums_plain",
                  of,
                  x,
                  kind == 2 ? dy : 0L,
                  kind == 1 ? means : 0L,
                  kind,
                  count,
                  of,
                  kind == 2 ? 0L : count,
                  0,
                  plain.device.address());
              KernelTest.assertBitwise(sums[kind], plain.now());
            }
            long scale = bench.read(board.normal(channels));
            long shift = bench.read(sums[3]);
            long inverse = bench.read(board.normal(channels));
            bench.compare(
                "nep_batch_norm",
                of,
                all,
                6,
                x,
                means,
                inverse,
                scale,
                shift,
                0L,
                0L,
                count * of,
                of);
            for (int frozen = 0; frozen < 2; frozen++) {
              bench.compare(
                  "nep_batch_norm_gradient",
                  of,
                  all,
                  7,
                  x,
                  dy,
                  inverse,
                  scale,
                  bench.read(sums[2]),
                  shift,
                  frozen,
                  0L,
                  count,
                  of);
            }
          }
        });
  }

  @Test
  void batchNormalisationWithRelu() {
    everySchedule(
        Precision.FP32,
        board -> {
          long channels = board.pick(1, 4, 5, 33, 36);
          long samples = board.pick(1, 2, 3);
          long positions = board.pick(1, 7, 33, 40);
          long n = samples * positions * channels;
          Shape all = Shape.of(n);
          Shape sums = Shape.of(samples, channels);
          try (Bench bench = new Bench(board)) {
            long x = bench.read(board.normal(n));
            long residual = bench.read(board.normal(n));
            long added = board.pick(0, 1, 1) == 1 ? residual : 0;
            long mean = bench.read(board.normal(channels));
            long inverse = bench.read(board.normal(channels));
            long scale = bench.read(board.normal(channels));
            long shift = bench.read(board.normal(channels));
            bench.compare(
                "nep_batch_norm_relu",
                channels,
                all,
                6,
                x,
                added,
                mean,
                inverse,
                scale,
                shift,
                0L,
                n,
                channels);
            String kernel = "nep_batch_norm_relu_gradient";
            Twin[][] out = new Twin[2][];
            for (int plain = 0; plain < 2; plain++) {
              out[plain] =
                  new Twin[] {bench.out(all), bench.out(all), bench.out(sums), bench.out(sums)};
              Object[] arguments = {
                x,
                added == 0 ? 0L : bench.read(board.copy(out[0][1].host)), // some output
                residual, // some gradient
                mean,
                inverse,
                scale,
                shift,
                out[plain][0].device.address(),
                added == 0 ? 0L : out[plain][1].device.address(),
                out[plain][2].device.address(),
                out[plain][3].device.address(),
                samples,
                positions,
                channels
              };
              if (plain == 1) {
                bench.launch(kernel + "_plain", channels, arguments);
              } else {
                var grid = new CudaDriver.Grid(CudaLayer.ceiling(channels, 32), samples, 1);
                bench.op.launch(kernel, grid, arguments);
              }
            }
            for (int i = 0; i < 4; i++) {
              if (i != 1 || added != 0) {
                KernelTest.assertBitwise(out[1][i].now(), out[0][i].now());
              }
            }
          }
        });
  }

  @Test
  void twoBatchNormalisationsWithRelu() {
    everySchedule(
        Precision.FP32,
        board -> {
          long channels = board.pick(1, 4, 5, 33, 36);
          long samples = board.pick(1, 2, 3);
          long positions = board.pick(1, 7, 33, 40);
          long n = samples * positions * channels;
          Shape all = Shape.of(n);
          Shape sums = Shape.of(samples, channels);
          try (Bench bench = new Bench(board)) {
            Object[] forward = new Object[13];
            Object[] gradient = new Object[20];
            for (int i = 0; i < 4; i++) {
              gradient[i] = bench.read(board.normal(n)); // two inputs, an output, its gradient
            }
            for (int i = 4; i < 12; i++) {
              gradient[i] = bench.read(board.normal(channels));
            }
            System.arraycopy(gradient, 0, forward, 0, 2);
            System.arraycopy(gradient, 4, forward, 2, 8);
            forward[11] = n;
            forward[12] = channels;
            bench.compare("nep_batch_norm_relu_pair", channels, all, 10, forward);
            gradient[17] = samples;
            gradient[18] = positions;
            gradient[19] = channels;
            String kernel = "nep_batch_norm_relu_pair_gradient";
            Twin[][] out = new Twin[2][];
            for (int plain = 0; plain < 2; plain++) {
              out[plain] =
                  new Twin[] {
                    bench.out(all),
                    bench.out(all),
                    bench.out(sums),
                    bench.out(sums),
                    bench.out(sums)
                  };
              for (int i = 0; i < 5; i++) {
                gradient[12 + i] = out[plain][i].device.address();
              }
              if (plain == 1) {
                bench.launch(kernel + "_plain", channels, gradient);
              } else {
                var grid = new CudaDriver.Grid(CudaLayer.ceiling(channels, 32), samples, 1);
                bench.op.launch(kernel, grid, gradient);
              }
            }
            for (int i = 0; i < 5; i++) {
              KernelTest.assertBitwise(out[1][i].now(), out[0][i].now());
            }
          }
        });
  }

  @Test
  void centredGrams() {
    everySchedule(
        Precision.FP32,
        board -> {
          long n = board.pick(1, 2, 31, 33, 65);
          long width = board.pick(1, 31, 32, 33, 70);
          try (Bench bench = new Bench(board)) {
            long rows = bench.read(board.normal(n, width));
            long[] means = {bench.doubles(width), bench.doubles(width)};
            long[] grams = {bench.doubles(n * n), bench.doubles(n * n)};
            String kernel = "nep_centred_gram_means";
            long blocks = bench.context.blocks(kernel, width, 1);
            bench.op.launch(kernel, blocks, rows, means[0], n, width);
            bench.launch(kernel + "_plain", width, rows, means[1], n, width);
            assertArrayEquals(bench.doubles(means[1], width), bench.doubles(means[0], width));
            kernel = "nep_centred_gram";
            long tiles = CudaLayer.ceiling(n, 32);
            var grid = new CudaDriver.Grid(tiles, tiles, 1);
            bench.op.launch(kernel, grid, rows, means[0], grams[0], n, width);
            bench.launch(kernel + "_plain", n * n, rows, means[0], grams[1], n, width);
            assertArrayEquals(bench.doubles(grams[1], n * n), bench.doubles(grams[0], n * n));
          }
        });
  }

  @Test
  void adam() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(1, 3, 65, 300);
          Tensor[] host = {board.normal(n), board.normal(n), board.normal(n), board.normal(n)};
          for (long i = 0; i < n; i++) {
            host[2].set(i, Math.abs(host[2].get(i))); // a second moment
          }
          var options = MaskedAdam.Options.adamW(0.01f, 0.1f);
          MaskedAdam.Scalars s = MaskedAdam.Scalars.of(options, 3);
          Mask.Part mask = Mask.zeros(board.arena(), List.of(Shape.of(n))).part(0);
          for (int i = 0; i < n; i++) {
            mask.set(i, board.random().nextBoolean());
          }
          Twin[] got = {board.twin(host[0]), board.twin(host[1]), board.twin(host[2])};
          try (Bench bench = new Bench(board)) {
            bench.launch(
                "nep_masked_adam_plain",
                n,
                got[0].device.address(),
                got[1].device.address(),
                got[2].device.address(),
                bench.read(host[3]),
                bench.op.upload(mask.segment()),
                (long) n,
                s.keep1(),
                s.add1(),
                s.keep2(),
                s.add2(),
                s.rate(),
                s.root(),
                options.epsilon(),
                s.decay(),
                s.shrink(),
                options.gradientScale());
          }
          MaskedAdam.reference(host[0], host[1], host[2], host[3], Optional.of(mask), 3, options);
          for (Twin twin : got) {
            twin.assertSame();
          }
        });
  }

  @Test
  void histograms() {
    try (CudaBackend cuda = CudaTest.emulated(4, Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      int bins = 1 << 13;
      Tensor values = Tensor.zeros(arena, 1500);
      KernelTest.Values normal = KernelTest.normal(8);
      for (long i = 0; i < values.elements(); i++) {
        values.set(i, i % 100 == 7 ? Float.NaN : normal.next());
      }
      CudaContext context = cuda.context();
      MemorySegment[] counts = new MemorySegment[2];
      try (var op = context.begin("plain", "", 0, 0)) {
        for (int form = 0; form < 2; form++) {
          String kernel = "nep_select_top_high" + (form == 0 ? "" : "_plain");
          long histogram = op.zeros(8L * bins);
          long invalid = op.zeros(8);
          op.launch(
              kernel,
              context.allBlocks(kernel, values.elements()),
              op.read(values),
              values.elements(),
              histogram,
              invalid);
          counts[form] = arena.allocate(8L * (bins + 1), 8);
          context.driver().download(counts[form].asSlice(0, 8L * bins), histogram);
          context.driver().download(counts[form].asSlice(8L * bins, 8), invalid);
        }
      }
      assertEquals(-1, counts[0].mismatch(counts[1]));
      assertEquals(15, counts[0].getAtIndex(java.lang.foreign.ValueLayout.JAVA_LONG, bins));
    }
  }
}
