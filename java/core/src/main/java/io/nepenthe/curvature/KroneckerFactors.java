package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Covariance;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The Kronecker factors of every block's Fisher information,
 *
 * <pre>
 *   expand   A = Σ āāᵀ / Σ Tₙ                        B = Σ_{n,t,v} ggᵀ / N
 *   reduce   A = Σₙ mean_t(ā) mean_t(ā)ᵀ / N         B = Σ_{n,v} (Σₜg)(Σₜg)ᵀ / N
 *   F ≈ B ⊗ A
 * </pre>
 *
 * <p>with g the output gradients of one sample's own loss (Martens, Grosse 2015; the scaling for
 * shared weights is that of Grosse, Martens 2016, under which B ⊗ A keeps F's trace; Eschenhagen et
 * al. 2023). Tied layers count the positions of all their uses (in "reduce", each use's pooled
 * row); each group of a convolution has factors of its own. Of normalisations the diagonal of F is
 * kept. Sums and counts are kept apart, so that those of disjoint data add up. It owns its memory.
 */
public final class KroneckerFactors implements AutoCloseable {
  private final Backend backend;
  private final Arena arena = Arena.ofShared();
  private final List<ParameterBlock> blocks;
  private final FactorOptions options;
  private final Map<String, Sums> sums = new LinkedHashMap<>();
  private final Optional<SquaredGradients> squares;
  private final SequencedMap<String, ChunkedSum> state = new LinkedHashMap<>();

  /** A block's sums. */
  private static final class Sums {
    private final ParameterBlock block;
    private final ChunkedSum inputs;
    private final ChunkedSum gradients;

    Sums(Arena arena, Backend backend, ParameterBlock block) {
      this.block = block;
      this.inputs = ChunkedSum.zeros(arena, backend, square(block.groups(), block.columns()));
      this.gradients =
          ChunkedSum.zeros(arena, backend, square(block.groups(), block.groupOutputs()));
    }
  }

  /** Empty factors of a model. The backend must outlive this. */
  KroneckerFactors(Model model, Backend backend, FactorOptions options) {
    this.backend = backend;
    this.options = options;
    this.blocks = options.blocks(model);
    boolean diagonals = blocks.stream().anyMatch(ParameterBlock::isDiagonal);
    this.squares = diagonals ? Optional.of(new SquaredGradients(model, backend)) : Optional.empty();
    Owned.completeOrClose(this::close, () -> blocks.forEach(this::begin));
  }

  private void begin(ParameterBlock block) {
    if (block.isDiagonal()) {
      for (String name : List.of(block.weight(), block.bias())) {
        ChunkedSum sum = ChunkedSum.of(arena, squares.orElseThrow().sum(name));
        state.put(StageNames.SQUARES + "." + name, sum);
      }
    } else {
      Sums own = new Sums(arena, backend, block);
      sums.put(block.name(), own);
      state.put(StageNames.INPUTS + "." + block.parameter(), own.inputs);
      state.put(StageNames.GRADIENTS + "." + block.parameter(), own.gradients);
    }
  }

  /** The shape of a matrix of each group. */
  static Shape square(int groups, long size) {
    return groups == 1 ? Shape.of(size, size) : Shape.of(groups, size, size);
  }

  /**
   * Computes them in one pass over the data.
   *
   * @param model whose parameters; it is not changed
   * @param data at least one sample, of the model's input size
   * @param normalisation applied to the pixels
   * @param progress told after every batch, in samples
   * @throws IllegalArgumentException if there are no samples, or they do not fit the model
   */
  public static KroneckerFactors of(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      Progress progress) {
    return of(model, backend, data, normalisation, options, Activations.none(), progress);
  }

  /**
   * The same, keeping activations for the pass of {@link EkFac#of}.
   *
   * @param activations where; not where labels are drawn, which every pass does anew
   */
  public static KroneckerFactors of(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      Activations activations,
      Progress progress) {
    KroneckerFactors factors = new KroneckerFactors(model, backend, options);
    try (GradientPasses passes =
            GradientPasses.of(model, backend, data, normalisation, options, 0, activations);
        Visitor visitor = factors.new Visitor(backend)) {
      passes.run(
          progress,
          (first, samples) -> {
            factors.count(samples);
            return visitor;
          },
          factors::fold);
      return factors;
    } catch (RuntimeException e) {
      factors.close();
      throw e;
    }
  }

  /** The sums under the names that files have for them, with the engine's parameter names. */
  SequencedMap<String, ChunkedSum> state() {
    return state;
  }

  /** A chunk is complete. */
  void fold() {
    state.values().forEach(ChunkedSum::fold);
  }

  /** Counts samples whose passes were visited. */
  void count(long more) {
    for (ParameterBlock block : blocks) {
      if (block.isDiagonal()) {
        state.get(StageNames.SQUARES + "." + block.weight()).count(more);
        state.get(StageNames.SQUARES + "." + block.bias()).count(more);
      } else {
        sums.get(block.name()).gradients.count(more);
      }
    }
  }

  /** Adds what it sees. */
  final class Visitor implements FisherVectors.Listener, AutoCloseable {
    private final Backend backend;
    private final Ones ones;
    private int pass;

    Visitor(Backend backend) {
      this.backend = backend;
      this.ones = new Ones(backend);
    }

    @Override
    public void pass(int number) {
      pass = number;
    }

    @Override
    public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
      for (ParameterBlock block : blocks) {
        if (!block.isOf(layer)) {
          continue;
        }
        if (block.isDiagonal()) {
          squares.orElseThrow().visit(layer, input, outputGradient);
          continue;
        }
        Sums into = sums.get(block.name());
        Tensor gradient = ParameterBlock.image(outputGradient);
        if (pass == 0) {
          // The inputs are the same in every pass of a batch.
          addInputs(into, ones.inputOf(block, input, gradient), gradient.shape());
        }
        backend
            .perSample()
            .covariance(
                Window.square(1).convolution(block.groups()),
                gradient,
                false,
                options.reduce() ? Covariance.Sharing.SUM : Covariance.Sharing.EXPAND,
                into.gradients.current());
      }
    }

    @Override
    public boolean takesSampleGradients(ParametricLayer layer) {
      return squares.isEmpty() || squares.get().takesSampleGradients(layer);
    }

    @Override
    public void visitSampleGradients(ParametricLayer layer, Tensor scale, Tensor shift) {
      if (blocks.stream().anyMatch(block -> block.isOf(layer))) {
        squares.orElseThrow().visitSampleGradients(layer, scale, shift);
      }
    }

    private void addInputs(Sums into, Tensor input, Shape out) {
      backend
          .perSample()
          .covariance(
              into.block.convolution(),
              input,
              into.block.appendsOne(),
              options.reduce() ? Covariance.Sharing.MEAN : Covariance.Sharing.EXPAND,
              into.inputs.current());
      into.inputs.count(out.size(0) * (options.reduce() ? 1 : out.size(1) * out.size(2)));
    }

    @Override
    public void close() {
      ones.close();
    }
  }

  /** Where they were summed. */
  Backend backend() {
    return backend;
  }

  /** The blocks, in node order. */
  public List<ParameterBlock> blocks() {
    return blocks;
  }

  /** How they were computed. */
  public FactorOptions options() {
    return options;
  }

  /** N. */
  public long samples() {
    // The last is not a sum over inputs, of which a sample has several rows.
    return state.isEmpty() ? 0 : state.lastEntry().getValue().processed();
  }

  /**
   * A, of one group: columns × columns, row-major.
   *
   * @throws IllegalArgumentException if the block has no factors
   */
  public double[] inputFactor(ParameterBlock block, int group) {
    Sums of = sums(block);
    return matrix(of.inputs, group, block.columns(), of.inputs.processed());
  }

  /** B, of one group: outputs × outputs, row-major. */
  public double[] gradientFactor(ParameterBlock block, int group) {
    return matrix(sums(block).gradients, group, block.groupOutputs(), samples());
  }

  /** What Σ āāᵀ is divided by for A: Σ Tₙ over all uses, or the samples of all uses. */
  public long rows(ParameterBlock block) {
    return sums(block).inputs.processed();
  }

  private Sums sums(ParameterBlock block) {
    Sums found = sums.get(block.name());
    if (found == null) {
      throw new IllegalArgumentException(block.name() + " has no factors");
    }
    return found;
  }

  /** The mean squared gradients of a normalisation, [2, channels]: scale, then shift. */
  void diagonal(ParameterBlock block, Tensor out) {
    long at = 0;
    for (String name : List.of(block.weight(), block.bias())) {
      ChunkedSum sum = state.get(StageNames.SQUARES + "." + name);
      for (long c = 0; c < block.outputs(); c++) {
        out.set(at++, (float) sum.value(c) / sum.processed());
      }
    }
  }

  private static double[] matrix(ChunkedSum sum, int group, long size, long count) {
    int n = Math.toIntExact(size);
    long first = (long) group * n * n;
    double[] matrix = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = i; j < n; j++) {
        double value = sum.value(first + (long) i * n + j) / count;
        matrix[i * n + j] = value;
        matrix[j * n + i] = value;
      }
    }
    return matrix;
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      squares.ifPresent(SquaredGradients::close);
      arena.close();
    }
  }
}
