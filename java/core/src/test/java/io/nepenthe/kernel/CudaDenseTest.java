package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/**
 * A network's layers on the device: elementwise operations, pooling and normalisation give the
 * processor's bits, products lie within the bound of float64.
 */
class CudaDenseTest {
  private static final Tensor NONE = Tensor.zeros(Arena.global(), 0);

  @Test
  void activations() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(1, 3, 4, 5, 64, 1009);
          Dense cuda = board.cuda().dense();
          Dense cpu = board.cpu().dense();
          Twin x = board.twin(scaled(board.normal(n), 30));
          Twin y = board.twin(Tensor.zeros(board.arena(), n));
          Twin dx = board.twin(Tensor.zeros(board.arena(), n));
          Twin dy = board.twin(board.normal(n));
          cpu.celu(x.host, y.host, 0.7f);
          cuda.celu(x.device, y.device, 0.7f);
          y.assertSame();
          cpu.celuGradient(y.host, dy.host, dx.host, 0.7f);
          cuda.celuGradient(y.device, dy.device, dx.device, 0.7f);
          dx.assertSame();
          cpu.relu(x.host, y.host);
          cuda.relu(x.device, y.device);
          y.assertSame();
          cpu.reluGradient(y.host, dy.host, dy.host); // in place
          cuda.reluGradient(y.device, dy.device, dy.device);
          dy.assertSame();
          cpu.add(dx.host, y.host, dx.host);
          cuda.add(dx.device, y.device, dx.device);
          dx.assertSame();
          Twin rows = board.twin(board.normal(board.pick(1, 2, 7), n));
          Tensor before = board.copy(rows.host);
          cpu.multiplyRows(rows.host, dy.host);
          cuda.multiplyRows(rows.device, dy.device);
          rows.assertSame();
          for (long i = 0; i < before.elements(); i++) {
            double want = (double) before.get(i) * dy.host.get(i % n);
            assertEquals((float) want, rows.host.get(i), "value " + i);
          }
          cpu.dropout(x.host, y.host, 77, 0.4);
          cuda.dropout(x.device, y.device, 77, 0.4);
          y.assertSame();
          cpu.moveAverage(y.host, x.host, 0.1f, 1.5f);
          cuda.moveAverage(y.device, x.device, 0.1f, 1.5f);
          y.assertSame();
        });
  }

  private static Tensor scaled(Tensor tensor, float by) {
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, tensor.get(i) * by);
    }
    return tensor;
  }

  private static Window window(Board board) {
    int kernel = board.random().nextInt(1, 4);
    Window window = Window.square(kernel).withStride(board.random().nextInt(1, 4));
    return kernel == 1
        ? window
        : window
            .withDilation(board.random().nextInt(1, 3))
            .withPadding(board.random().nextInt(kernel), 0, board.random().nextInt(kernel), 1);
  }

  @Test
  void pooling() {
    everySchedule(
        Precision.FP32,
        board -> {
          Window w = window(board);
          int batch = board.pick(1, 2);
          int channels = board.pick(1, 3, 5);
          Tensor images = board.normal(batch, 6, 7, channels);
          for (long i = 0; i < images.elements(); i++) {
            images.set(i, Math.round(images.get(i))); // equal maxima
          }
          Twin x = board.twin(images);
          Shape out = Shape.of(batch, w.outputHeight(6), w.outputWidth(7), channels);
          Twin y = board.twin(Tensor.zeros(board.arena(), out));
          Twin dx = board.twin(Tensor.zeros(board.arena(), images.shape()));
          Twin dy = board.twin(board.normal(batch, out.size(1), out.size(2), channels));
          Dense cuda = board.cuda().dense();
          Dense cpu = board.cpu().dense();
          cpu.maxPool(x.host, y.host, w);
          cuda.maxPool(x.device, y.device, w);
          y.assertSame();
          cpu.maxPoolGradient(x.host, y.host, dy.host, dx.host, w);
          cuda.maxPoolGradient(x.device, y.device, dy.device, dx.device, w);
          dx.assertSame();
          for (boolean padding : new boolean[] {false, true}) {
            cpu.averagePool(x.host, y.host, w, padding);
            cuda.averagePool(x.device, y.device, w, padding);
            y.assertSame();
            cpu.averagePoolGradient(dy.host, dx.host, w, padding);
            cuda.averagePoolGradient(dy.device, dx.device, w, padding);
            dx.assertSame();
          }
        });
  }

  static Padding padding(Board board) {
    var mode = Padding.Mode.values()[board.random().nextInt(4)];
    int most = mode == Padding.Mode.REFLECT ? 5 : 6; // of 6 × 7 images
    return new Padding(
        board.random().nextInt(most + 1),
        board.random().nextInt(most + 1),
        board.random().nextInt(most + 1),
        board.random().nextInt(most + 1),
        mode,
        mode == Padding.Mode.CONSTANT ? 0.3f : 0);
  }

  @Test
  void padding() {
    everySchedule(
        Precision.FP32,
        board -> {
          Padding p = padding(board);
          int batch = board.pick(1, 2);
          int channels = board.pick(1, 3, 5);
          Shape out = Shape.of(batch, p.outputHeight(6), p.outputWidth(7), channels);
          Twin x = board.twin(board.normal(batch, 6, 7, channels));
          Twin y = board.twin(Tensor.zeros(board.arena(), out));
          Twin dy = board.twin(board.normal(out.elements()).reshape(out));
          Twin dx = board.twin(board.normal(batch, 6, 7, channels));
          board.cpu().dense().pad(x.host, y.host, p);
          board.cuda().dense().pad(x.device, y.device, p);
          y.assertSame();
          board.cpu().dense().padGradient(dy.host, dx.host, p);
          board.cuda().dense().padGradient(dy.device, dx.device, p);
          dx.assertSame();
        });
  }

  @Test
  void batchNormalisation() {
    everySchedule(
        Precision.FP32,
        board -> {
          int channels = board.pick(1, 3, 4, 5, 9);
          int rows = board.pick(1, 2, 63, 65, 200);
          Dense cuda = board.cuda().dense();
          Dense cpu = board.cpu().dense();
          Twin x = board.twin(board.normal(rows, channels));
          Twin dy = board.twin(board.normal(rows, channels));
          Twin y = board.twin(Tensor.zeros(board.arena(), rows, channels));
          Twin normalised = board.twin(Tensor.zeros(board.arena(), rows, channels));
          Twin mean = board.twin(Tensor.zeros(board.arena(), channels));
          Twin variance = board.twin(Tensor.zeros(board.arena(), channels));
          Twin scale = board.twin(board.normal(channels));
          Twin shift = board.twin(board.normal(channels));
          cpu.batchNormStatistics(x.host, mean.host, variance.host);
          cuda.batchNormStatistics(x.device, mean.device, variance.device);
          mean.assertSame();
          variance.assertSame();
          for (boolean keep : new boolean[] {false, true}) {
            cpu.batchNorm(
                x.host,
                mean.host,
                variance.host,
                scale.host,
                shift.host,
                1e-5f,
                keep ? normalised.host : NONE,
                y.host);
            cuda.batchNorm(
                x.device,
                mean.device,
                variance.device,
                scale.device,
                shift.device,
                1e-5f,
                keep ? normalised.device : NONE,
                y.device);
            y.assertSame();
          }
          normalised.assertSame();
          Twin dScale = board.twin(board.normal(channels));
          Twin dShift = board.twin(board.normal(channels));
          for (boolean accumulate : new boolean[] {true, false}) {
            cpu.batchNormSums(normalised.host, dy.host, dScale.host, dShift.host, accumulate);
            cuda.batchNormSums(
                normalised.device, dy.device, dScale.device, dShift.device, accumulate);
            dScale.assertSame();
            dShift.assertSame();
          }
          for (boolean frozen : new boolean[] {true, false}) {
            Twin dx = frozen ? y : dy;
            cpu.batchNormGradient(
                normalised.host,
                dy.host,
                variance.host,
                scale.host,
                1e-5f,
                dScale.host,
                dShift.host,
                frozen,
                dx.host);
            cuda.batchNormGradient(
                normalised.device,
                dy.device,
                variance.device,
                scale.device,
                1e-5f,
                dScale.device,
                dShift.device,
                frozen,
                dx.device);
            dx.assertSame();
          }
        });
  }

  @Test
  void batchNormalisationWithRelu() {
    everySchedule(
        Precision.FP32,
        board -> {
          int channels = board.pick(1, 3, 4, 8, 31, 32, 36, 65, 68);
          int samples = board.pick(1, 2, 3);
          int positions = board.pick(1, 4, 7, 8, 33, 40);
          boolean adds = board.pick(0, 0, 1, 1) == 1;
          Dense cuda = board.cuda().dense();
          Dense cpu = board.cpu().dense();
          Twin[] of = normalisation(board, channels);
          FrozenNormalisation here = frozen(of, true);
          FrozenNormalisation there = frozen(of, false);
          Twin x = board.twin(board.normal(samples, positions, channels));
          Twin residual = board.twin(board.normal(samples, positions, channels));
          Twin y = board.twin(board.normal(samples, positions, channels));
          cpu.batchNormRelu(here, x.host, adds ? residual.host : NONE, y.host);
          cuda.batchNormRelu(there, x.device, adds ? residual.device : NONE, y.device);
          y.assertSame();
          Twin dy = board.twin(board.normal(samples, positions, channels));
          Twin dx = board.twin(board.normal(samples, positions, channels));
          Twin g = board.seed() % 3 == 0 ? dy : board.twin(board.copy(dy.host));
          Twin byScale = board.twin(board.normal(samples, channels));
          Twin byShift = board.twin(board.normal(samples, channels));
          Tensor kept = board.copy(dy.host);
          cpu.batchNormReluGradient(
              here,
              x.host,
              adds ? y.host : NONE,
              dy.host,
              dx.host,
              adds ? g.host : NONE,
              byScale.host,
              byShift.host);
          cuda.batchNormReluGradient(
              there,
              x.device,
              adds ? y.device : NONE,
              dy.device,
              dx.device,
              adds ? g.device : NONE,
              byScale.device,
              byShift.device);
          dx.assertSame();
          g.assertSame();
          sampleGradients(board, here, x.host, y.host, kept, byScale, byShift);
          // Over the input, or what is added.
          Twin over = adds && board.seed() % 2 == 0 ? residual : x;
          cpu.batchNormRelu(here, x.host, adds ? residual.host : NONE, over.host);
          cuda.batchNormRelu(there, x.device, adds ? residual.device : NONE, over.device);
          over.assertSame();
        });
  }

  private static Twin[] normalisation(Board board, int channels) {
    Tensor positive = board.normal(channels);
    for (int c = 0; c < channels; c++) {
      positive.set(c, Math.abs(positive.get(c)));
    }
    return new Twin[] {
      board.twin(board.normal(channels)),
      board.twin(positive),
      board.twin(board.normal(channels)),
      board.twin(board.normal(channels))
    };
  }

  private static FrozenNormalisation frozen(Twin[] of, boolean here) {
    Tensor[] t =
        Arrays.stream(of).map(twin -> here ? twin.host : twin.device).toArray(Tensor[]::new);
    return new FrozenNormalisation(t[0], t[1], t[2], t[3], 1e-5f);
  }

  @Test
  void twoBatchNormalisationsWithRelu() {
    everySchedule(
        Precision.FP32,
        board -> {
          int channels = board.pick(1, 3, 4, 8, 31, 32, 36, 65, 68);
          int samples = board.pick(1, 2, 3);
          int positions = board.pick(1, 4, 7, 8, 33, 40);
          Dense cuda = board.cuda().dense();
          Dense cpu = board.cpu().dense();
          Twin[][] of = {normalisation(board, channels), normalisation(board, channels)};
          Twin[] x = new Twin[2];
          Twin[] dx = new Twin[2];
          Twin[] sums = new Twin[3];
          for (int i = 0; i < 2; i++) {
            x[i] = board.twin(board.normal(samples, positions, channels));
            dx[i] = board.twin(board.normal(samples, positions, channels));
          }
          for (int i = 0; i < 3; i++) {
            sums[i] = board.twin(board.normal(samples, channels));
          }
          Twin y = board.twin(board.normal(samples, positions, channels));
          Twin dy = board.twin(board.normal(samples, positions, channels));
          Tensor kept = board.copy(dy.host);
          for (int place = 0; place < 2; place++) {
            if (board.seed() % 3 == place) {
              dx[place] = dy; // over the output's gradient
            }
          }
          cpu.batchNormReluPair(
              frozen(of[0], true), x[0].host, frozen(of[1], true), x[1].host, y.host);
          cuda.batchNormReluPair(
              frozen(of[0], false), x[0].device, frozen(of[1], false), x[1].device, y.device);
          y.assertSame();
          cpu.batchNormReluPairGradient(
              new NormalisedInput(frozen(of[0], true), x[0].host, dx[0].host, sums[0].host),
              new NormalisedInput(frozen(of[1], true), x[1].host, dx[1].host, sums[1].host),
              y.host,
              dy.host,
              sums[2].host);
          cuda.batchNormReluPairGradient(
              new NormalisedInput(frozen(of[0], false), x[0].device, dx[0].device, sums[0].device),
              new NormalisedInput(frozen(of[1], false), x[1].device, dx[1].device, sums[1].device),
              y.device,
              dy.device,
              sums[2].device);
          for (int i = 0; i < 2; i++) {
            dx[i].assertSame();
            sampleGradients(board, frozen(of[i], true), x[i].host, y.host, kept, sums[i], sums[2]);
          }
          // Over an input.
          Twin over = x[board.seed() % 2];
          cpu.batchNormReluPair(
              frozen(of[0], true), x[0].host, frozen(of[1], true), x[1].host, over.host);
          cuda.batchNormReluPair(
              frozen(of[0], false), x[0].device, frozen(of[1], false), x[1].device, over.device);
          over.assertSame();
        });
  }

  /** Against float64, and their squares against the operations on x̂ and G: the same bits. */
  private static void sampleGradients(
      Board board,
      FrozenNormalisation norm,
      Tensor x,
      Tensor y,
      Tensor dy,
      Twin byScale,
      Twin byShift) {
    int channels = (int) x.shape().size(2);
    int each = (int) x.shape().size(1) * channels;
    Tensor normalised = board.copy(x);
    Tensor g = board.copy(dy);
    Dense cpu = board.cpu().dense();
    cpu.batchNorm(
        x, norm.mean(), norm.variance(), norm.scale(), norm.shift(), 1e-5f, normalised, NONE);
    cpu.reluGradient(y, dy, g);
    Wide scales = new Wide(byScale.host.shape());
    Wide shifts = new Wide(byScale.host.shape());
    for (int i = 0; i < x.elements(); i++) {
      scales.add(i / each * channels + i % channels, (double) g.get(i) * normalised.get(i));
      shifts.add(i / each * channels + i % channels, g.get(i));
    }
    long positions = x.shape().size(1);
    if (anything(scales.value)) {
      KernelTest.assertWithin(scales.value, scales.magnitude, positions, byScale.now());
      KernelTest.assertWithin(shifts.value, shifts.magnitude, positions, byShift.now());
    }
    CudaTest.TwinSum apart = new CudaTest.TwinSum(board, norm.mean().shape());
    CudaTest.TwinSum joined = new CudaTest.TwinSum(board, norm.mean().shape());
    board.cuda().squareScaleGradients(normalised, g, apart.device);
    board.cuda().squareBiasGradients(g, apart.device);
    board.cuda().squareBiasGradients(byScale.device, joined.device);
    board.cuda().squareBiasGradients(byShift.device, joined.device);
    KernelTest.assertBitwise(apart.rest.now(), joined.rest.now());
    KernelTest.assertBitwise(apart.sum.now(), joined.sum.now());
  }

  private static boolean anything(double[] values) {
    return Arrays.stream(values).anyMatch(value -> value != 0);
  }

  /** The three passes of a layer in float64, with the sums of magnitudes. */
  private static final class Wide {
    final double[] value;
    final double[] magnitude;

    Wide(Shape shape) {
      value = new double[(int) shape.elements()];
      magnitude = new double[(int) shape.elements()];
    }

    void add(long at, double term) {
      value[(int) at] += term;
      magnitude[(int) at] += Math.abs(term);
    }
  }

  private interface Term {
    void at(long x, long weight, long y);
  }

  /** Every product of a layer: which input, which weight, which output. */
  private static void terms(Affine sizes, Term term) {
    switch (sizes) {
      case Affine.Linear l -> {
        for (long y = 0; y < l.batch() * l.outputs(); y++) {
          for (long i = 0; i < l.inputs(); i++) {
            term.at(y / l.outputs() * l.inputs() + i, y % l.outputs() * l.inputs() + i, y);
          }
        }
      }
      case Affine.Convolution c -> convolution(c, term);
    }
  }

  private static void convolution(Affine.Convolution c, Term term) {
    Window w = c.window();
    Shape out = c.output();
    long inner = c.inputs() / c.groups();
    for (long y = 0; y < out.elements(); y++) {
      long o = y % c.outputs();
      long column = y / c.outputs() % out.size(2);
      long row = y / c.outputs() / out.size(2) % out.size(1);
      long sample = y / c.outputs() / out.size(2) / out.size(1);
      for (long k = 0; k < w.kernelHeight() * w.kernelWidth() * inner; k++) {
        long at =
            row * w.strideHeight() - w.top() + k / inner / w.kernelWidth() * w.dilationHeight();
        long to =
            column * w.strideWidth() - w.left() + k / inner % w.kernelWidth() * w.dilationWidth();
        if (at >= 0 && at < c.height() && to >= 0 && to < c.width()) {
          long channel = o / (c.outputs() / c.groups()) * inner + k % inner;
          long x = ((sample * c.height() + at) * c.width() + to) * c.inputs() + channel;
          term.at(x, o * w.kernelHeight() * w.kernelWidth() * inner + k, y);
        }
      }
    }
  }

  private static void passes(Board board, Affine sizes, Precision precision) {
    Tensor x = board.normal(array(sizes.input()));
    Tensor weights = board.normal(array(sizes.weights()));
    Tensor bias = board.normal(array(sizes.biases()));
    Tensor dy = board.normal(array(sizes.output()));
    Wide y = new Wide(sizes.output());
    Wide dx = new Wide(sizes.input());
    Wide dWeights = new Wide(sizes.weights());
    Wide dBias = new Wide(sizes.biases());
    Tensor old = board.normal(array(sizes.weights()));
    Tensor oldBias = board.normal(array(sizes.biases()));
    Tensor oldInput = board.normal(array(sizes.input()));
    boolean accumulate = board.seed() % 2 == 0;
    for (int i = 0; accumulate && i < old.elements(); i++) {
      dWeights.add(i, old.get(i));
    }
    for (int i = 0; accumulate && i < oldInput.elements(); i++) {
      dx.add(i, oldInput.get(i));
    }
    long outputs = sizes.weights().size(0);
    for (int i = 0; i < dBias.value.length; i++) {
      if (accumulate) {
        dBias.add(i, oldBias.get(i));
      }
      for (long at = i; at < dy.elements(); at += outputs) {
        dBias.add(i, dy.get(at));
      }
    }
    for (int i = 0; i < y.value.length && bias.elements() > 0; i++) {
      y.add(i, bias.get(i % outputs));
    }
    terms(
        sizes,
        (xAt, wAt, yAt) -> {
          y.add(yAt, (double) x.get(xAt) * weights.get(wAt));
          dx.add(xAt, (double) dy.get(yAt) * weights.get(wAt));
          dWeights.add(wAt, (double) x.get(xAt) * dy.get(yAt));
        });
    Dense cuda = board.cuda().dense();
    // Two factors that are rounded, or, by a library on a device, cut off.
    int units = cuda instanceof CudaDense c && c.gemm() instanceof CudaGemm.Own ? 3 : 5;
    double rounded = precision == Precision.FP32 ? 0 : units * precision.unitRoundoff() * 0x1p24;
    try (AffinePlan plan = cuda.plan(sizes)) {
      Twin gotY = board.twin(Tensor.zeros(board.arena(), sizes.output()));
      Tensor onDevice = board.twin(weights).device;
      Tensor xOnDevice = board.twin(x).device;
      plan.forward(xOnDevice, onDevice, bias, gotY.device);
      within(y, rounded + sizes.weights().elements() / (double) outputs + 4, gotY.now());
      Twin gotDx = board.twin(oldInput);
      plan.inputGradient(dy, onDevice, gotDx.device, accumulate);
      within(dx, rounded + sizes.weights().elements() + 4, gotDx.now());
      if (accumulate && plan.implementations().contains("own kernels")) {
        Twin apart = board.twin(Tensor.zeros(board.arena(), sizes.input()));
        plan.inputGradient(dy, onDevice, apart.device, false);
        Twin sum = board.twin(oldInput);
        cuda.add(sum.device, apart.device, sum.device);
        KernelTest.assertBitwise(sum.now(), gotDx.now());
      }
      Twin gotWeights = board.twin(old);
      Tensor gotBias = board.copy(oldBias); // on the host
      plan.parameterGradient(xOnDevice, dy, gotWeights.device, gotBias, accumulate);
      double steps = sizes.output().elements() / (double) outputs + 4;
      within(dWeights, rounded + steps, gotWeights.now());
      within(dBias, steps, gotBias);
    }
  }

  private static void within(Wide wide, double steps, Tensor got) {
    if (wide.value.length > 0) {
      KernelTest.assertWithin(wide.value, wide.magnitude, steps, got);
    }
  }

  private static long[] array(Shape shape) {
    long[] sizes = new long[shape.rank()];
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] = shape.size(i);
    }
    return sizes;
  }

  @Test
  void linearLayers() {
    for (Precision precision : Precision.values()) {
      everySchedule(
          precision,
          board ->
              passes(
                  board,
                  new Affine.Linear(
                      board.pick(1, 3, 66, 5),
                      board.pick(1, 17, 70),
                      board.pick(2, 1, 65, 9, 10),
                      board.seed() % 3 > 0),
                  precision));
    }
  }

  @Test
  void convolutions() {
    for (Precision precision : Precision.values()) {
      everySchedule(
          precision,
          board -> {
            int groups = board.pick(1, 2, 1);
            passes(
                board,
                new Affine.Convolution(
                    board.pick(1, 2),
                    5,
                    6,
                    groups * (long) board.pick(1, 3),
                    groups * (long) board.pick(2, 5),
                    window(board),
                    groups,
                    board.seed() % 3 > 0),
                precision);
          });
    }
  }

  @Test
  void plainProducts() {
    everySchedule(
        Precision.FP32,
        board -> {
          int m = board.pick(1, 5, 65);
          int n = board.pick(3, 70);
          int k = board.pick(1, 9, 33, 600);
          Tensor a = board.normal(m, k);
          Tensor b = board.normal(k, n);
          Wide want = new Wide(Shape.of(m, n));
          for (int i = 0; i < m * n; i++) {
            for (int t = 0; t < k; t++) {
              want.add(i, (double) a.get((long) i / n * k + t) * b.get((long) t * n + i % n));
            }
          }
          CudaContext context = board.cuda().context();
          Tensor c = Tensor.zeros(board.arena(), m, n);
          try (var op = context.begin("plain", c.shape(), 0, 0)) {
            op.launch(
                "nep_gemm_plain",
                context.allBlocks("nep_gemm_plain", (long) m * n),
                op.read(a),
                op.read(b),
                op.write(c),
                0L,
                (long) m,
                (long) n,
                (long) k,
                (long) k,
                (long) n,
                (long) n,
                0,
                0,
                0f);
            op.finish();
          }
          within(want, k + 2, c);
          var gemm = new CudaGemm.Own(context, Precision.FP32, "a test");
          try (var op = context.begin("tiled", c.shape(), 0, 0)) {
            gemm.multiply(
                op,
                new CudaGemm.Matrix(op.read(a), k),
                false,
                new CudaGemm.Matrix(op.read(b), n),
                false,
                new CudaGemm.Matrix(op.write(c), n),
                m,
                n,
                k,
                0);
            op.finish();
          }
          within(want, k + 2, c);
        });
  }

  @Test
  void roofs() {
    everySchedule(
        Precision.FP32,
        board -> {
          int n = board.pick(1, 5, 1000);
          Twin a = board.twin(board.normal(n));
          Twin b = board.twin(board.normal(n));
          Twin out = board.twin(Tensor.zeros(board.arena(), n));
          CudaContext context = board.cuda().context();
          try (var op = context.begin("roof", n, 0, 0)) {
            long to = op.update(out.device);
            op.launch("nep_roof_copy", 2, to, op.read(a.device), (long) n);
            out.host.copyFrom(a.host);
            out.assertSame();
            op.launch("nep_roof_triad", 2, to, op.read(a.device), op.read(b.device), 3f, (long) n);
            Roof.triad(out.host, a.host, b.host, 3, 1);
            out.assertSame();
            long room = op.scratch(256 * Float.BYTES);
            op.launch("nep_roof_multiply_add", 1, room, 2L);
            op.launch("nep_roof_matrix", 1, room, 1L, board.seed() % 2);
          }
        });
  }
}
