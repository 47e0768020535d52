package io.nepenthe.benchmarks;

import io.nepenthe.curvature.SquaredGradients;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.Dampen;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.kernel.PackedQueries;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;

/** Work of one size, with the memory that it holds. */
interface ScalingWork extends AutoCloseable {
  /** Samples of a batch. */
  int BATCH = 64;

  void run();

  @Override
  void close();

  /** The exact Fisher diagonal's pass over many samples: the same batch again and again. */
  final class Pass implements ScalingWork {
    private static final CrossEntropy LOSS = new CrossEntropy();

    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final Model model;
    private final Execution execution;
    private final SquaredGradients squares;
    private final Tensor input;
    private final long samples;
    private final double[] losses = new double[BATCH];
    private final int[] labels = Passes.labels(BATCH);

    Pass(String network, long samples, int threads) {
      model = Passes.model(network);
      this.samples = samples;
      backend = Device.cpu(threads).open();
      execution = new Execution(model, backend, BATCH, Mode.FROZEN);
      squares = new SquaredGradients(model, backend);
      input = Passes.input(arena, model, BATCH);
    }

    @Override
    public void run() {
      for (long done = 0; done < samples; done += BATCH) {
        Tensor out = execution.forward(input);
        LOSS.evaluate(out, labels, losses, execution.outputGradient());
        execution.backward(execution.outputGradient(), squares);
      }
    }

    @Override
    public void close() {
      squares.close();
      execution.close();
      model.close();
      backend.close();
      arena.close();
    }
  }

  /** One linear layer of about so many weights. */
  final class Squares implements ScalingWork {
    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final Tensor input;
    private final Tensor gradient;
    private final DriftFreeSum squares;

    Squares(long weights, int threads) {
      backend = Device.cpu(threads).open();
      long side = Math.round(Math.sqrt(weights));
      input = Values.normal(arena, Shape.of(BATCH, side), 1);
      gradient = Values.normal(arena, Shape.of(BATCH, side), 2);
      squares = DriftFreeSum.zeros(arena, Shape.of(side, side));
    }

    @Override
    public void run() {
      backend.squareGradients(input, gradient, squares);
    }

    @Override
    public void close() {
      backend.close();
      arena.close();
    }
  }

  /** A sweep over weights of which half are selected. */
  final class Dampening implements ScalingWork {
    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final Tensor weights;
    private final Tensor forget;
    private final Tensor reference;

    Dampening(long n, int threads) {
      backend = Device.cpu(threads).open();
      Shape shape = Shape.of(n);
      weights = Values.uniform(arena, shape, 1);
      forget = Values.uniform(arena, shape, 2);
      reference = Values.uniform(arena, shape, 3);
    }

    @Override
    public void run() {
      // As in DampenBenchmark: half are selected, and λ leaves them as they are.
      backend.dampen(weights, forget, reference, new Dampen.Options(1, 0x1p20f, 1));
    }

    @Override
    public void close() {
      backend.close();
      arena.close();
    }
  }

  /** The masks of ten ratios. */
  final class Selection implements ScalingWork {
    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private static final double[] RATIOS = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};

    private final List<Tensor> values;
    private final MaskStack masks;

    Selection(long n, int threads) {
      backend = Device.cpu(threads).open();
      Shape shape = Shape.of(n);
      values = List.of(Values.normal(arena, shape, 1));
      masks = MaskStack.zeros(arena, RATIOS.length, List.of(shape));
    }

    @Override
    public void run() {
      backend.selectTop(values, masks, RATIOS);
    }

    @Override
    public void close() {
      backend.close();
      arena.close();
    }
  }

  /** The influence of a batch on some queries, of one layer. */
  final class Scores implements ScalingWork {
    private static final Convolution SAME = Window.square(3).withPadding(1).convolution(1);
    private static final int SAMPLES = 16;

    private final Arena arena = Arena.ofShared();
    private final Backend backend;
    private final Tensor input;
    private final Tensor gradient;
    private final PackedQueries queries;
    private final Tensor scores;

    Scores(long count, int threads) {
      backend = Device.cpu(threads).open();
      Shape image = Shape.of(SAMPLES, 32, 32, 64);
      input = Values.normal(arena, image, 1);
      gradient = Values.normal(arena, image, 2);
      Tensor values = Values.uniform(arena, Shape.of(count, 64, 9 * 64), 3);
      queries = backend.perSample().packQueries(arena, 32 * 32, 1, values);
      scores = Tensor.zeros(arena, count, SAMPLES);
    }

    @Override
    public void run() {
      backend.perSample().pairScores(SAME, input, gradient, false, queries, scores);
    }

    @Override
    public void close() {
      backend.close();
      arena.close();
    }
  }
}
