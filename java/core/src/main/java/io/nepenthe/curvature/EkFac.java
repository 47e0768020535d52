package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Convolution;
import io.nepenthe.kernel.DriftFreeSum;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * The eigenvalue-corrected Kronecker factorisation of the Fisher information (George, Laurent,
 * Bouthillier, Ballas, Vincent, "Fast approximate natural gradient descent in a Kronecker-factored
 * eigenbasis", NeurIPS 2018). In each block
 *
 * <pre>
 *   A = Q_A diag(α) Q_Aᵀ,   B = Q_B diag(β) Q_Bᵀ
 *   Λ[o, i] = (1/N) Σ_{n,v} (Q_Bᵀ P_{n,v} Q_A)²[o, i]
 *   F ≈ (Q_B ⊗ Q_A) diag(vec Λ) (Q_B ⊗ Q_A)ᵀ
 * </pre>
 *
 * <p>Λ is the diagonal of F in that basis: of all diagonals the one closest to F. The draws of
 * {@link Labels#SAMPLED} for Λ are independent of those for the factors. It owns its memory.
 */
public final class EkFac implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final List<ParameterBlock> blocks;
  private final FactorOptions options;
  private final Map<String, EigenBasis> bases;
  private final Map<String, Tensor> corrected = new LinkedHashMap<>();
  private final Map<String, Tensor> uncorrected = new LinkedHashMap<>();
  private long samples;

  /** Decomposed factors, Λ still to come. */
  static EkFac of(KroneckerFactors factors) {
    try (Arena scratch = Arena.ofConfined()) {
      Map<String, Tensor> diagonals = new HashMap<>();
      for (ParameterBlock block : factors.blocks()) {
        if (block.isDiagonal()) {
          Tensor diagonal = Tensor.zeros(scratch, shape(block));
          factors.diagonal(block, diagonal);
          diagonals.put(block.name(), diagonal);
        }
      }
      return new EkFac(
          factors.blocks(), factors.options(), arena -> EigenBasis.of(arena, factors), diagonals);
    }
  }

  /**
   * Eigenvectors, and Λ still to come.
   *
   * @param bases makes them in the arena that it is handed
   * @param diagonals the mean squared gradients of normalisations, by block name
   */
  EkFac(
      List<ParameterBlock> blocks,
      FactorOptions options,
      Function<Arena, Map<String, EigenBasis>> bases,
      Map<String, Tensor> diagonals) {
    this.blocks = blocks;
    this.options = options;
    this.bases = bases.apply(arena);
    for (ParameterBlock block : blocks) {
      Tensor kronecker = Tensor.zeros(arena, shape(block));
      if (block.isDiagonal()) {
        kronecker.copyFrom(diagonals.get(block.name()));
        corrected.put(block.name(), kronecker);
      } else {
        this.bases.get(block.name()).kroneckerValues(kronecker);
        corrected.put(block.name(), Tensor.zeros(arena, shape(block)));
      }
      uncorrected.put(block.name(), kronecker);
    }
  }

  /** [O, columns], or two rows, scale and shift. */
  static Shape shape(ParameterBlock block) {
    return block.isDiagonal()
        ? Shape.of(2, block.outputs())
        : Shape.of(block.outputs(), block.columns());
  }

  /**
   * Decomposes factors and estimates Λ, in one more pass over the data.
   *
   * @param factors of this model; they may be closed afterwards
   * @param progress told after every batch, in samples
   */
  public static EkFac of(
      KroneckerFactors factors,
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Progress progress) {
    return of(factors, model, backend, data, normalisation, Activations.none(), progress);
  }

  /** The same, with activations where {@link KroneckerFactors#of} kept them. */
  public static EkFac of(
      KroneckerFactors factors,
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Activations activations,
      Progress progress) {
    EkFac result = EkFac.of(factors);
    try (GradientPasses passes =
            GradientPasses.of(
                model, backend, data, normalisation, factors.options(), 1, activations);
        Correction correction = result.new Correction(backend)) {
      passes.run(
          progress,
          (first, count) -> {
            correction.count(count);
            return correction;
          },
          correction::fold);
      correction.finish();
      return result;
    } catch (RuntimeException e) {
      result.close();
      throw e;
    }
  }

  /** Accumulates Λ. */
  final class Correction implements FisherVectors.Listener, AutoCloseable {
    private final Backend backend;
    private final Arena memory = Arena.ofShared();
    private final Ones ones;
    private final Map<String, RotatedGradients> rotated = new LinkedHashMap<>();
    private final Map<String, ChunkedSum> sums = new LinkedHashMap<>();
    private final SequencedMap<String, ChunkedSum> state = new LinkedHashMap<>();

    Correction(Backend backend) {
      this.backend = backend;
      this.ones = new Ones(backend);
      Owned.completeOrClose(this::close, () -> bases.forEach(this::begin));
    }

    private void begin(String name, EigenBasis basis) {
      rotated.put(name, new RotatedGradients(basis, backend));
      ParameterBlock block = basis.block();
      Shape shape = Shape.of(block.outputs(), 1, 1, block.columns());
      ChunkedSum sum = ChunkedSum.zeros(memory, backend, shape);
      sums.put(name, sum);
      state.put(StageNames.LAMBDA + "." + block.parameter(), sum);
    }

    /** The sums under the names that files have for them. */
    SequencedMap<String, ChunkedSum> state() {
      return state;
    }

    void count(long more) {
      samples += more;
      sums.values().forEach(sum -> sum.count(more));
    }

    /** A chunk is complete. */
    void fold() {
      sums.values().forEach(ChunkedSum::fold);
    }

    @Override
    public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
      Tensor gradient = ParameterBlock.image(outputGradient);
      for (ParameterBlock block : blocks) {
        if (block.isOf(layer) && !block.isDiagonal()) {
          DriftFreeSum sum = sums.get(block.name()).current();
          rotated
              .get(block.name())
              .visit(layer, ones.inputOf(block, input, gradient), gradient, new Squares(sum));
        }
      }
    }

    /** The diagonals of normalisations are their factors' already. */
    @Override
    public boolean takesSampleGradients(ParametricLayer layer) {
      return true;
    }

    @Override
    public void visitSampleGradients(ParametricLayer layer, Tensor scale, Tensor shift) {}

    private final class Squares implements RotatedGradients.Sink {
      private final DriftFreeSum sum;

      Squares(DriftFreeSum sum) {
        this.sum = sum;
      }

      @Override
      public void products(long first, Convolution convolution, Tensor input, Tensor gradient) {
        backend.squareGradients(convolution, input, gradient, sum);
      }

      @Override
      public void whole(long first, Tensor gradients) {
        Shape shape = gradients.shape();
        backend.accumulateSquare(
            sum, gradients.reshape(Shape.of(shape.size(0), shape.size(1), 1, 1, shape.size(2))));
      }
    }

    /** Writes Λ. */
    void finish() {
      samples = state.isEmpty() ? samples : state.lastEntry().getValue().processed();
      sums.forEach(
          (name, sum) -> {
            Tensor mean = corrected.get(name);
            for (long i = 0; i < mean.elements(); i++) {
              mean.set(i, (float) (sum.value(i) / sum.processed()));
            }
          });
    }

    @Override
    public void close() {
      ones.close();
      rotated.values().forEach(RotatedGradients::close);
      memory.close();
    }
  }

  /** The blocks, in node order. */
  public List<ParameterBlock> blocks() {
    return blocks;
  }

  /** How it was computed. */
  public FactorOptions options() {
    return options;
  }

  /** The samples that Λ is the mean over. */
  public long samples() {
    return samples;
  }

  /** Λ of a block, [O, columns]; a normalisation's diagonal, [2, channels]. */
  public Tensor eigenvalues(ParameterBlock block) {
    return corrected.get(block.name());
  }

  /** β ⊗ α, what KFAC has in Λ's place. */
  public Tensor kroneckerEigenvalues(ParameterBlock block) {
    return uncorrected.get(block.name());
  }

  /**
   * Q_A of a block, [groups, columns, columns], eigenvectors in columns.
   *
   * @throws IllegalArgumentException if the block has no factors
   */
  public Tensor inputVectors(ParameterBlock block) {
    return basis(block).inputVectors();
  }

  /** Q_B of a block, [groups, outputs, outputs], eigenvectors in columns. */
  public Tensor gradientVectors(ParameterBlock block) {
    return basis(block).gradientVectors();
  }

  private EigenBasis basis(ParameterBlock block) {
    EigenBasis basis = bases.get(block.name());
    if (basis == null) {
      throw new IllegalArgumentException(block.name() + " has no factors");
    }
    return basis;
  }

  /** How many eigenvalues of the factors rounding had made negative. */
  public int clamped() {
    return bases.values().stream().mapToInt(EigenBasis::clamped).sum();
  }

  Map<String, EigenBasis> bases() {
    return bases;
  }

  /** Releases the memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
