package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.kernel.Covariance.Sharing;
import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.kernel.CudaTest.TwinSum;
import io.nepenthe.kernel.SelfScores.Strategy;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/**
 * The kernels of curvature and influence lie within the bound of float64 under every schedule, in
 * every precision.
 */
class CudaPerSampleTest {
  /** Two rounded factors: a product is off by two unit roundoffs, its square by twice that. */
  private static double rounding(Precision precision, int factors) {
    return precision == Precision.FP32 ? 0 : (factors + 1) * precision.unitRoundoff() * 0x1p24;
  }

  private interface Body {
    void run(Board board, Precision precision);
  }

  private static void everyPrecision(Body body) {
    for (Precision precision : Precision.values()) {
      everySchedule(precision, board -> body.run(board, precision));
    }
  }

  private static LayerCase layer(Board board) {
    KernelTest.Values values = KernelTest.normal(board.seed());
    int samples = board.pick(1, 2, 3);
    return switch (board.seed() % 4) {
      case 0 -> LayerCase.linear(board.arena(), samples, 1, board.pick(3, 66, 64, 1), 5, values);
      case 1 -> LayerCase.linear(board.arena(), samples, board.pick(2, 35, 17), 7, 65, values);
      default -> LayerCase.random(board.arena(), board.random(), samples, values);
    };
  }

  private static MemorySegment mask(Board board, LayerGeometry of) {
    MemorySegment mask = board.arena().allocate(Math.max(1, of.samples() * of.positions()));
    for (long i = 0; i < mask.byteSize(); i++) {
      mask.set(ValueLayout.JAVA_BYTE, i, (byte) (i > 0 && board.random().nextInt(3) == 0 ? 0 : 1));
    }
    return mask;
  }

  private static void add(
      Backend backend,
      LayerCase some,
      Tensor input,
      MemorySegment mask,
      boolean bias,
      Sharing sharing,
      DriftFreeSum state) {
    if (some.linear) {
      backend.perSample().covariance(input, mask, bias, sharing, state);
    } else {
      backend.perSample().covariance(some.convolution, input, bias, sharing, state);
    }
  }

  private static Tensor value(Board board, TwinSum state) {
    DriftFreeSum now = DriftFreeSum.of(state.sum.now(), state.rest.now());
    Tensor out = Tensor.zeros(board.arena(), now.shape());
    now.value(out);
    Covariance.mirror(out);
    return out;
  }

  private static double steps(LayerGeometry geometry, Sharing sharing, Precision precision) {
    return Math.max(Covariance.steps(geometry.positions(), sharing), geometry.positions() + 80)
        + rounding(precision, 2);
  }

  @Test
  void covariance() {
    everyPrecision(
        (board, precision) -> {
          LayerCase some = layer(board);
          boolean bias = board.seed() % 3 != 0;
          Sharing sharing = Sharing.values()[board.seed() / 2 % 3];
          MemorySegment mask =
              some.linear && board.seed() % 2 == 0 ? mask(board, some.geometry) : PerSample.ALL;
          TwinSum state = new TwinSum(board, Covariance.shape(some.geometry, bias));
          Tensor input = board.twin(some.input()).device;
          add(board.cuda(), some, input, mask, bias, sharing, state.device);
          SquareGradients.Reference want =
              Covariance.reference(some.geometry, some.input(), mask, bias, sharing);
          double steps = steps(some.geometry, sharing, precision);
          KernelTest.assertWithin(want.sum(), want.magnitude(), steps, value(board, state));
          if (precision == Precision.FP32 && sharing == Sharing.EXPAND) {
            plain(board, some, mask, bias, want);
          }
        });
  }

  private static void plain(
      Board board,
      LayerCase some,
      MemorySegment mask,
      boolean bias,
      SquareGradients.Reference want) {
    TwinSum state = new TwinSum(board, Covariance.shape(some.geometry, bias));
    launch(
        board,
        "nep_covariance_plain",
        state.host.shape().elements(),
        op ->
            CudaLayer.arguments(
                some.geometry,
                op.read(some.input()),
                mask.equals(PerSample.ALL) ? 0L : op.upload(mask),
                op.update(state.sum.device),
                op.update(state.rest.device),
                0L,
                some.geometry.samples(),
                0,
                bias ? 1 : 0));
    double steps = steps(some.geometry, Sharing.EXPAND, Precision.FP32);
    KernelTest.assertWithin(want.sum(), want.magnitude(), steps, value(board, state));
  }

  private interface Arguments {
    Object[] of(CudaContext.Operation op);
  }

  /** An obviously right kernel, a thread an element. */
  private static void launch(Board board, String kernel, long elements, Arguments arguments) {
    CudaContext context = board.cuda().context();
    try (var op = context.begin("plain", elements, 0, 0)) {
      op.launch(kernel, context.allBlocks(kernel, elements), arguments.of(op));
      op.finish();
    }
  }

  /** Sums that blocks share out over samples, and folds, leave the bits of one batch. */
  @Test
  void theBitsOfACovarianceDoNotDependOnHowABatchIsSplit() {
    try (CudaBackend cuda = CudaTest.emulated(5, Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      for (int positions : new int[] {2, 33}) {
        KernelTest.Values values = KernelTest.normal(positions);
        LayerCase some = LayerCase.linear(arena, 70, positions, 3, 1, values);
        DriftFreeSum whole = DriftFreeSum.zeros(arena, Shape.of(4, 4));
        add(cuda, some, some.input(), PerSample.ALL, true, Sharing.EXPAND, whole);
        DriftFreeSum parts = DriftFreeSum.zeros(arena, Shape.of(4, 4));
        for (long[] part : new long[][] {{0, 1}, {1, 50}, {50, 70}}) {
          Tensor input = some.input(part[0], part[1]);
          add(cuda, some, input, PerSample.ALL, true, Sharing.EXPAND, parts);
        }
        KernelTest.assertBitwise(whole.sum(), parts.sum());
        KernelTest.assertBitwise(whole.rest(), parts.rest());
        assertEquals(70, parts.count());
      }
    }
  }

  @Test
  void sampleGradients() {
    everyPrecision(
        (board, precision) -> {
          LayerCase some = layer(board);
          boolean bias = board.seed() % 3 != 0;
          LayerGeometry g = some.geometry;
          Shape shape = Shape.of(g.samples(), g.outputs(), g.features(bias));
          Twin out = board.twin(Tensor.zeros(board.arena(), shape));
          Tensor input = board.twin(some.input()).device;
          PerSample operations = board.cuda().perSample();
          if (some.linear) {
            operations.sampleGradients(input, some.gradient(), bias, out.device);
          } else {
            operations.sampleGradients(some.convolution, input, some.gradient(), bias, out.device);
          }
          SquareGradients.Reference want = some.gradients(bias);
          double steps = SampleGradients.steps(g.positions()) + rounding(precision, 2);
          KernelTest.assertWithin(want.sum(), want.magnitude(), steps, out.now());
          if (precision == Precision.FP32) {
            Twin plain = board.twin(Tensor.zeros(board.arena(), shape));
            launch(
                board,
                "nep_sample_gradients_plain",
                shape.elements(),
                op ->
                    CudaLayer.arguments(
                        g,
                        op.read(some.input()),
                        op.read(some.gradient()),
                        op.update(plain.device),
                        g.samples(),
                        bias ? 1 : 0));
            KernelTest.assertWithin(want.sum(), want.magnitude(), steps, plain.now());
          }
        });
  }

  /** The bits of plain Java and of the processor. */
  @Test
  void sampleGradientsOfANormalisation() {
    everySchedule(
        Precision.FP32,
        board -> {
          int samples = board.pick(1, 3, 70);
          int channels = board.pick(1, 5, 32, 33);
          Shape shape = Shape.of(samples, board.pick(1, 7, 8, 9, 17), channels);
          Tensor x = board.normal(samples, shape.size(1), channels);
          Tensor g = board.normal(samples, shape.size(1), channels);
          Tensor want = Tensor.zeros(board.arena(), samples, 2, channels);
          SampleGradients.referenceNormalisation(x, g, want);
          Twin out = board.twin(want);
          out.device.clear();
          Tensor gradient = board.twin(g).device;
          board.cuda().perSample().sampleNormalisationGradients(x, gradient, out.device);
          out.assertSame();
          out.device.clear();
          launch(
              board,
              "nep_sample_gradients_normalisation_plain",
              (long) samples * channels,
              op ->
                  new Object[] {
                    op.read(x),
                    op.read(g),
                    out.device.address(),
                    (long) samples,
                    shape.size(1),
                    (long) channels
                  });
          out.assertSame();
        });
  }

  private static Tensor positive(Board board, Shape shape) {
    Tensor weights = Tensor.zeros(board.arena(), shape);
    for (long i = 0; i < weights.elements(); i++) {
      weights.set(i, 0.1f + board.random().nextFloat());
    }
    return weights;
  }

  @Test
  void selfScores() {
    everyPrecision(
        (board, precision) -> {
          LayerCase some = layer(board);
          LayerGeometry g = some.geometry;
          int samples = Math.toIntExact(g.samples());
          Tensor weights = positive(board, Shape.of(g.outputs(), g.columns()));
          SquareGradients.Reference want =
              SelfScores.reference(some.gradients(false), weights, samples);
          Twin scores = board.twin(Tensor.zeros(board.arena(), samples));
          PerSample operations = board.cuda().perSample();
          Tensor input = board.twin(some.input()).device;
          Strategy strategy = SelfScores.strategyFor(g);
          if (some.linear) {
            operations.selfScores(input, some.gradient(), weights, scores.device);
          } else {
            operations.selfScores(some.convolution, input, some.gradient(), weights, scores.device);
          }
          double steps =
              SelfScores.steps(g.positions(), g.outputs(), strategy) + rounding(precision, 4);
          KernelTest.assertWithin(want.sum(), want.magnitude(), steps, scores.now());
          if (precision == Precision.FP32) {
            Twin plain = board.twin(Tensor.zeros(board.arena(), samples));
            launch(
                board,
                "nep_self_scores_plain",
                samples,
                op ->
                    CudaLayer.arguments(
                        g,
                        op.read(some.input()),
                        op.read(some.gradient()),
                        op.read(weights),
                        op.update(plain.device),
                        g.samples()));
            KernelTest.assertWithin(
                want.sum(), want.magnitude(), 2 * g.positions() + 800, plain.now());
          }
        });
  }

  @Test
  void selfScoresOfWrittenGradients() {
    everySchedule(
        Precision.FP32,
        board -> {
          int samples = board.pick(1, 3, 40);
          int size = board.pick(1, 31, 257, 1009);
          Tensor gradients = board.normal(samples, size);
          Tensor weights = positive(board, Shape.of(size));
          double[] sum = new double[samples * size];
          Arrays.setAll(sum, i -> gradients.get(i));
          double[] magnitude = Arrays.stream(sum).map(Math::abs).toArray();
          SquareGradients.Reference want =
              SelfScores.reference(new SquareGradients.Reference(sum, magnitude), weights, samples);
          Twin scores = board.twin(Tensor.zeros(board.arena(), samples));
          Tensor device = board.twin(gradients).device;
          board.cuda().perSample().selfScores(device, weights, scores.device);
          KernelTest.assertWithin(want.sum(), want.magnitude(), 4, scores.now());
        });
  }

  @Test
  void pairScores() {
    everyPrecision(
        (board, precision) -> {
          LayerCase some = layer(board);
          boolean bias = board.seed() % 3 != 0;
          LayerGeometry g = some.geometry;
          int samples = Math.toIntExact(g.samples());
          int count = board.pick(1, 3, 5);
          Tensor queries = board.normal(count, g.outputs(), g.features(bias));
          SquareGradients.Reference want =
              PairScores.reference(some.gradients(bias), queries, count, samples);
          Twin scores = board.twin(Tensor.zeros(board.arena(), Shape.of(count, samples)));
          PerSample operations = board.cuda().perSample();
          Tensor input = board.twin(some.input()).device;
          PackedQueries packed =
              operations.packQueries(
                  board.arena(), g.positions(), g.convolution().groups(), queries);
          if (some.linear) {
            operations.pairScores(input, some.gradient(), bias, packed, scores.device);
          } else {
            operations.pairScores(
                some.convolution, input, some.gradient(), bias, packed, scores.device);
          }
          double steps =
              g.positions() + g.outputs() * g.features(bias) + 8 + rounding(precision, 4);
          KernelTest.assertWithin(want.sum(), want.magnitude(), steps, scores.now());
          if (precision == Precision.FP32) {
            Twin plain = board.twin(Tensor.zeros(board.arena(), Shape.of(count, samples)));
            launch(
                board,
                "nep_pair_scores_plain",
                (long) count * samples,
                op ->
                    CudaLayer.arguments(
                        g,
                        op.read(some.input()),
                        op.read(some.gradient()),
                        op.read(queries),
                        op.update(plain.device),
                        g.samples(),
                        (long) count,
                        bias ? 1 : 0));
            KernelTest.assertWithin(want.sum(), want.magnitude(), g.positions() + 4, plain.now());
          }
        });
  }

  @Test
  void pairScoresOfFactors() {
    everySchedule(
        Precision.FP32,
        board -> {
          int samples = board.pick(1, 3, 9);
          int positions = board.pick(1, 2, 40);
          int queries = board.pick(2, 1, 5);
          int rank = board.pick(1, 3, 33, 65);
          Tensor left = board.normal(samples, positions, queries, rank);
          Tensor right = board.normal(samples, positions, queries, rank);
          double[] sum = new double[queries * samples];
          double[] magnitude = new double[queries * samples];
          for (int i = 0; i < left.elements(); i++) {
            int at = i / rank % queries * samples + i / rank / queries / positions;
            double term = (double) left.get(i) * right.get(i);
            sum[at] += term;
            magnitude[at] += Math.abs(term);
          }
          Tensor device = board.twin(left).device;
          Shape shape = Shape.of(queries, samples);
          Twin scores = board.twin(Tensor.zeros(board.arena(), shape));
          board.cuda().perSample().pairScoresFactored(device, right, scores.device);
          KernelTest.assertWithin(sum, magnitude, 3, scores.now());
          Twin plain = board.twin(Tensor.zeros(board.arena(), shape));
          launch(
              board,
              "nep_pair_scores_factored_plain",
              shape.elements(),
              op ->
                  new Object[] {
                    op.read(left),
                    op.read(right),
                    (long) samples,
                    (long) positions,
                    (long) queries,
                    (long) rank,
                    op.update(plain.device)
                  });
          KernelTest.assertWithin(sum, magnitude, 3, plain.now());
        });
  }

  @Test
  void philox() {
    everySchedule(
        Precision.FP32,
        board -> {
          int words = board.pick(0, 1, 2, 511, 512, 513, 1009);
          MemorySegment want = board.arena().allocate(8L * words, 8);
          MemorySegment got = board.arena().allocate(8L * words, 8);
          long key = board.random().nextLong();
          long stream = board.random().nextLong();
          long first = board.seed() % 2 == 0 ? -1 : board.random().nextLong(); // wraps
          Philox.reference(want, key, stream, first);
          board.cuda().perSample().philox(got, key, stream, first);
          assertArrayEquals(
              want.toArray(ValueLayout.JAVA_LONG), got.toArray(ValueLayout.JAVA_LONG));
          if (words == 0) {
            return;
          }
          CudaContext context = board.cuda().context();
          try (var op = context.begin("plain", words, 0, 0)) {
            long out = op.scratch(got.byteSize());
            long blocks = context.allBlocks("nep_philox_plain", words);
            op.launch("nep_philox_plain", blocks, out, (long) words, key, stream, first);
            context.driver().download(got.fill((byte) 0), out);
          }
          assertEquals(-1, want.mismatch(got));
        });
  }
}
