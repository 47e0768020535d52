package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * The operations of one device. Every output is the caller's; arguments are checked before anything
 * is touched: a wrong shape, an output that overlaps another argument or a bad option is an {@link
 * IllegalArgumentException}, memory that was closed an {@link IllegalStateException}.
 *
 * <p>A backend is used by one thread at a time. A thread whose operation would share scratch memory
 * or a device with one that is under way in another gets an {@link IllegalStateException} that
 * names it, and nothing is touched.
 *
 * <p>Tensors of {@link #zeros} lie where the operations run. A backend of a CUDA device also takes
 * tensors of the host: it copies them to the device for the call, and what it wrote back, which
 * costs more than most operations.
 */
public sealed interface Backend extends AutoCloseable permits CpuBackend, CudaBackend {
  /** The device that this runs on. */
  Device device();

  /**
   * What was chosen and why, one {@code key=value} a line: library, instruction set, oneDNN,
   * threads.
   */
  String describe();

  /** Zeros where the operations run, in memory that ends with the arena. */
  Tensor zeros(Arena arena, Shape shape);

  /** Whether the operations use this tensor as it is, without copying it. */
  boolean holds(Tensor tensor);

  /**
   * The same values where the operations run: this tensor if they use it as it is, else a copy that
   * ends with the arena, so that many operations copy it once.
   */
  default Tensor here(Arena arena, Tensor values) {
    if (holds(values)) {
      return values;
    }
    Tensor copy = zeros(arena, values.shape());
    copy.copyFrom(values);
    return copy;
  }

  /**
   * The most samples, up to {@code wanted} and at least 1, whose memory the device has room for; of
   * the processor always {@code wanted}.
   */
  int fitting(long bytesPerSample, int wanted);

  /**
   * How many samples a pass takes at once where their number changes nothing but its cost: as many
   * as wanted, or more, where the device needs more to be busy and to spare the host its launches.
   */
  int atOnce(int wanted);

  /**
   * Checks that there is room for a batch.
   *
   * @throws CudaException if there is not, with what is wanted, what is free, and what fits
   */
  void requireRoom(long bytesPerSample, int samples);

  /**
   * Selective synaptic dampening of {@code weights}, in place.
   *
   * @param weights any shape; the weights with {@code forget > selection·reference} are scaled
   * @param forget importance for the forget set, of the same shape, not negative
   * @param reference importance for the reference (whole or retained) set, of the same shape
   * @see Dampen
   */
  Dampen.Result dampen(Tensor weights, Tensor forget, Tensor reference, Dampen.Options options);

  /**
   * A copy of a mask as it is now, for a run of many steps: where the steps read it, so that none
   * of them moves it again. It lives as long as the arena and cannot be changed; the mask itself
   * can, without any step of the run seeing it.
   */
  Mask.Part freeze(Arena arena, Mask.Part mask);

  /**
   * One step of stochastic gradient descent, in place.
   *
   * @param weights any shape
   * @param velocity of the same shape, zeros before the first step
   * @param gradient of the same shape
   * @see MaskedSgd
   */
  void sgd(Tensor weights, Tensor velocity, Tensor gradient, MaskedSgd.Options options);

  /**
   * The same for the selected weights only: a weight whose bit is 0 keeps its bits, and its
   * velocity becomes 0.
   *
   * @param mask as many bits as weights
   */
  void maskedSgd(
      Tensor weights, Tensor velocity, Tensor gradient, Mask.Part mask, MaskedSgd.Options options);

  /**
   * One step of Adam or AdamW, in place.
   *
   * @param weights any shape
   * @param first the first moment, of the same shape, zeros before the first step
   * @param second the second moment, likewise
   * @param gradient of the same shape
   * @param step the number of this step, from 1
   * @see MaskedAdam
   */
  void adam(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      long step,
      MaskedAdam.Options options);

  /**
   * The same for the selected weights only: a weight whose bit is 0 keeps its bits, and its moments
   * become 0.
   *
   * @param mask as many bits as weights
   */
  void maskedAdam(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      Mask.Part mask,
      long step,
      MaskedAdam.Options options);

  /**
   * The subgradient of ‖of‖₁: values += factor·sign(of), sign(0) = 0, the same bits on every
   * device.
   *
   * @param of of the same shape
   */
  void addSigns(Tensor values, Tensor of, float factor);

  /**
   * The proximal operator of ‖weights‖₁: w ← sign(w)·max(0, |w| − threshold), the same bits on
   * every device.
   *
   * @param mask what it is kept to, as many bits as weights; empty for all
   */
  void shrink(Tensor weights, Optional<Mask.Part> mask, float threshold);

  /**
   * Adds {@code terms} to {@code state} without drift.
   *
   * @param terms one term of the state's shape, or N of them with a leading dimension N, added in
   *     order; one call with N terms and any split of it into several leave the same bits
   * @see Accumulate
   */
  void accumulate(DriftFreeSum state, Tensor terms);

  /** Adds the absolute values of {@code terms}, otherwise as {@link #accumulate}. */
  void accumulateAbs(DriftFreeSum state, Tensor terms);

  /** Adds the squares of {@code terms}, otherwise as {@link #accumulate}. */
  void accumulateSquare(DriftFreeSum state, Tensor terms);

  /**
   * Adds every sample's squared weight gradient of a linear layer.
   *
   * @param input [samples, inputs] or [samples, positions, inputs]
   * @param outputGradient per-sample ∂loss/∂output, [samples, outputs] or [samples, positions,
   *     outputs]
   * @param weights [outputs, inputs]; its count grows by the samples
   * @see SquareGradients
   */
  default void squareGradients(Tensor input, Tensor outputGradient, DriftFreeSum weights) {
    Shape shape = input.shape();
    squareGradients(
        input,
        outputGradient,
        weights,
        SquareGradients.strategyFor(shape.rank() == 3 ? shape.size(1) : 1));
  }

  /** The same by a chosen strategy, for measurements. */
  void squareGradients(
      Tensor input, Tensor outputGradient, DriftFreeSum weights, SquareGradients.Strategy strategy);

  /**
   * Adds every sample's squared weight gradient of a convolution.
   *
   * @param input [samples, height, width, channels]
   * @param outputGradient per-sample ∂loss/∂output, [samples, outHeight, outWidth, outputs]
   * @param weights [outputs, kernelHeight, kernelWidth, channels / groups]; its count grows by the
   *     samples
   * @see SquareGradients
   */
  default void squareGradients(
      Convolution convolution, Tensor input, Tensor outputGradient, DriftFreeSum weights) {
    Shape out = outputGradient.shape();
    squareGradients(
        convolution,
        input,
        outputGradient,
        weights,
        SquareGradients.strategyFor(out.rank() == 4 ? out.size(1) * out.size(2) : 1));
  }

  /** The same by a chosen strategy, for measurements. */
  void squareGradients(
      Convolution convolution,
      Tensor input,
      Tensor outputGradient,
      DriftFreeSum weights,
      SquareGradients.Strategy strategy);

  /**
   * Adds every sample's squared gradient of a bias or of a normalisation's shift.
   *
   * @param outputGradient [samples, …, channels], summed over all dimensions between
   * @param bias [channels]; its count grows by the samples
   * @see SquareVectorGradients
   */
  void squareBiasGradients(Tensor outputGradient, DriftFreeSum bias);

  /**
   * Adds every sample's squared gradient of a normalisation's scale.
   *
   * @param normalised the input after normalisation, before scale and shift: [samples, …, channels]
   * @param outputGradient of the same shape
   * @param scale [channels]; its count grows by the samples
   * @see SquareVectorGradients
   */
  void squareScaleGradients(Tensor normalised, Tensor outputGradient, DriftFreeSum scale);

  /**
   * Adds every sample's squared gradient of an embedding table.
   *
   * @param tokens native int32 values [samples, positions], rows of the table or {@link
   *     SquareVectorGradients#PADDING}
   * @param outputGradient [samples, positions, columns]
   * @param rows [rows, columns]; its count grows by the samples
   * @see SquareVectorGradients
   */
  void squareEmbeddingGradients(MemorySegment tokens, Tensor outputGradient, DriftFreeSum rows);

  /**
   * Selects, for each ratio ρ, the ⌊ρP⌋ values of largest magnitude among all P values of the
   * tensors together, all ratios in one run.
   *
   * @param values tensors of any shapes, for instance one per parameter
   * @param out as many masks as ratios, over tensors of these sizes; overwritten
   * @param ratios 1 to {@value SelectTop#MAX_RATIOS} of them, each in [0, 1]
   * @return for each ratio, how many were selected and down to which magnitude
   * @throws IllegalArgumentException also if a value is NaN, saying how many are; the masks are
   *     untouched then
   * @see SelectTop
   */
  List<SelectTop.Cut> selectTop(List<Tensor> values, MaskStack out, double... ratios);

  /**
   * The products of centred rows, K[i, j] = Σ_d (x_i[d] − μ[d])·(x_j[d] − μ[d]) with μ the mean
   * row, in float64.
   *
   * @param rows n, of any shape each; fewer than 46,341
   * @return n·n values, row by row
   */
  default double[] centredGram(Tensor rows) {
    return CentredGram.of(rows);
  }

  /**
   * Decomposes symmetric matrices: by the device's own solver, one after the other, or by LAPACK,
   * one on each core at a time. They are begun in their order, so that the largest should come
   * first.
   *
   * @param matrices gives each by its number, perhaps in several threads, one after the other
   * @param count how many there are
   * @return in their order
   * @see SymmetricEigen#of(double[], int)
   */
  default List<SymmetricEigen> symmetricEigen(
      IntFunction<SymmetricEigen.Matrix> matrices, int count) {
    SymmetricEigen[] found = new SymmetricEigen[count];
    AtomicInteger next = new AtomicInteger();
    IntStream.range(0, Math.min(count, Runtime.getRuntime().availableProcessors()))
        .parallel()
        .forEach(
            _ -> {
              for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                SymmetricEigen.Matrix matrix = one(matrices, i);
                found[i] = SymmetricEigen.of(matrix.values(), matrix.size());
              }
            });
    return List.of(found);
  }

  /** What gives them may copy them from the device. */
  private static SymmetricEigen.Matrix one(IntFunction<SymmetricEigen.Matrix> matrices, int i) {
    synchronized (matrices) {
      return matrices.apply(i);
    }
  }

  /** What steps follow: losses and their gradients, where the outputs are. */
  Objectives objectives();

  /** The operations of a network's forward and backward pass, on this device. */
  Dense dense();

  /** The operations of curvature and influence, on this device. */
  PerSample perSample();

  /** Releases the backend's scratch memory; closing again does nothing. */
  @Override
  void close();
}
