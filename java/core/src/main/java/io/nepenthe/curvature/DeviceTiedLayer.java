package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * On a device, by the kernels that write sample gradients: of as many samples at a time as a part
 * of its memory holds. Nothing comes to the host.
 */
final class DeviceTiedLayer implements TiedLayer {
  /** The floats that gradients which are formed may take at once. */
  private static final long MOST_FLOATS = 1L << 24;

  private final Backend backend;
  private final Arena arena = Arena.ofShared();
  private final GradientWriter writer;
  private final Room formed;
  private final List<Use> uses;
  private final List<ParameterBlock> blocks;
  private final DriftFreeSum weightSquares;
  private final Optional<DriftFreeSum> biasSquares;
  private long mostFloats = MOST_FLOATS;
  private int seen;

  /** What a use has shown. */
  private static final class Use {
    private final Room inputRoom;
    private final Room gradientRoom;
    private Tensor input;
    private Tensor gradient;

    Use(Arena arena, Backend backend) {
      inputRoom = new Room(arena, backend);
      gradientRoom = new Room(arena, backend);
    }

    void keep(Tensor shownInput, Tensor shownGradient) {
      input = inputRoom.copyOf(shownInput);
      gradient = gradientRoom.copyOf(shownGradient);
    }
  }

  /** Empty. */
  DeviceTiedLayer(
      ParametricLayer layer,
      Backend backend,
      DriftFreeSum weightSquares,
      Optional<DriftFreeSum> biasSquares) {
    this.backend = backend;
    this.weightSquares = weightSquares;
    this.biasSquares = biasSquares;
    this.writer = new GradientWriter(backend);
    this.formed = new Room(arena, backend);
    this.uses = Stream.generate(() -> new Use(arena, backend)).limit(layer.uses()).toList();
    this.blocks = ParameterBlock.of(layer, false);
  }

  /** Forms so many floats at once, at least those of a sample: for tests. */
  void atOnce(long floats) {
    mostFloats = floats;
  }

  @Override
  public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
    uses.get(layer.use()).keep(input, outputGradient);
    if (++seen < layer.uses()) {
      return;
    }
    seen = 0;
    long samples = input.shape().size(0);
    for (ParameterBlock block : blocks) {
      long chunk = Math.clamp(mostFloats / block.size(), 1, samples);
      for (long first = 0; first < samples; first += chunk) {
        add(block, summed(block, first, Math.min(chunk, samples - first)));
      }
    }
  }

  /** The gradients of samples [first, first + n), summed over the uses in their order. */
  private Tensor summed(ParameterBlock block, long first, long n) {
    Shape shape = EkFac.shape(block);
    Tensor sum = formed.of(Shape.of(n, shape.size(0), shape.size(1)));
    for (int use = 0; use < uses.size(); use++) {
      Tensor input = RotatedGradients.samples(uses.get(use).input, first, n);
      Tensor gradient = RotatedGradients.samples(uses.get(use).gradient, first, n);
      writer.write(block, input, gradient, use > 0, sum);
    }
    return sum;
  }

  private void add(ParameterBlock block, Tensor gradients) {
    switch (block.part()) {
      case WEIGHT -> squares(weightSquares, gradients);
      case BIAS -> squares(biasSquares.orElseThrow(), gradients);
      case NORMALISATION -> {
        // Scale and shift of a sample lie side by side.
        Shape channels = Shape.of(block.outputs());
        for (long n = 0; n < gradients.shape().size(0); n++) {
          backend.accumulateSquare(
              weightSquares, gradients.slice(2 * n * block.outputs(), channels));
          backend.accumulateSquare(
              biasSquares.orElseThrow(), gradients.slice((2 * n + 1) * block.outputs(), channels));
        }
      }
      case JOINT -> throw new IllegalStateException(block.name() + " joins weights and bias");
    }
  }

  private void squares(DriftFreeSum state, Tensor gradients) {
    Shape shape = state.shape();
    long[] sizes = new long[shape.rank() + 1];
    sizes[0] = gradients.shape().size(0);
    for (int axis = 0; axis < shape.rank(); axis++) {
      sizes[axis + 1] = shape.size(axis);
    }
    backend.accumulateSquare(state, gradients.reshape(Shape.of(sizes)));
  }

  @Override
  public void close() {
    writer.close();
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
