package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/** The processor: hand-written SIMD kernels and oneDNN, on an OpenMP team. */
final class CpuBackend implements Backend {
  private final int threads;
  private final Workspace workspace = new Workspace();
  private final Geometries geometries = new Geometries();
  private final Dense dense;
  private final PerSample perSample;
  private final Objectives objectives = new CpuObjectives();

  CpuBackend(int threads) {
    NativeLibrary.require();
    CpuThreads.require(threads);
    this.threads = threads;
    this.dense = new CpuDense(workspace, threads);
    this.perSample = new CpuPerSample(workspace, threads);
  }

  @Override
  public Device device() {
    return new Device.Cpu(threads);
  }

  @Override
  public String describe() {
    return NativeLibrary.require().describe();
  }

  @Override
  public Tensor zeros(Arena arena, Shape shape) {
    return Tensor.zeros(arena, shape);
  }

  @Override
  public boolean holds(Tensor tensor) {
    return tensor.onHost();
  }

  @Override
  public int fitting(long bytesPerSample, int wanted) {
    return wanted;
  }

  @Override
  public int atOnce(int wanted) {
    return wanted;
  }

  @Override
  public void requireRoom(long bytesPerSample, int samples) {}

  @Override
  public Dampen.Result dampen(
      Tensor weights, Tensor forget, Tensor reference, Dampen.Options options) {
    return Dampen.cpu(weights, forget, reference, options, workspace, threads);
  }

  @Override
  public Mask.Part freeze(Arena arena, Mask.Part mask) {
    return mask.frozen(arena);
  }

  @Override
  public void sgd(Tensor weights, Tensor velocity, Tensor gradient, MaskedSgd.Options options) {
    MaskedSgd.cpu(weights, velocity, gradient, Optional.empty(), options, threads);
  }

  @Override
  public void maskedSgd(
      Tensor weights, Tensor velocity, Tensor gradient, Mask.Part mask, MaskedSgd.Options options) {
    MaskedSgd.cpu(weights, velocity, gradient, Optional.of(mask), options, threads);
  }

  @Override
  public void adam(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      long step,
      MaskedAdam.Options options) {
    MaskedAdam.cpu(weights, first, second, gradient, Optional.empty(), step, options, threads);
  }

  @Override
  public void maskedAdam(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      Mask.Part mask,
      long step,
      MaskedAdam.Options options) {
    MaskedAdam.cpu(weights, first, second, gradient, Optional.of(mask), step, options, threads);
  }

  @Override
  public void addSigns(Tensor values, Tensor of, float factor) {
    Penalty.signs(values, of, factor);
  }

  @Override
  public void shrink(Tensor weights, Optional<Mask.Part> mask, float threshold) {
    Penalty.shrink(weights, mask, threshold);
  }

  @Override
  public void accumulate(DriftFreeSum state, Tensor terms) {
    Accumulate.cpu(state, terms, Accumulate.Kind.VALUE, threads);
  }

  @Override
  public void accumulateAbs(DriftFreeSum state, Tensor terms) {
    Accumulate.cpu(state, terms, Accumulate.Kind.ABSOLUTE, threads);
  }

  @Override
  public void accumulateSquare(DriftFreeSum state, Tensor terms) {
    Accumulate.cpu(state, terms, Accumulate.Kind.SQUARE, threads);
  }

  @Override
  public void squareGradients(
      Tensor input,
      Tensor outputGradient,
      DriftFreeSum weights,
      SquareGradients.Strategy strategy) {
    LayerGeometry call = geometries.linear(input, outputGradient);
    SquareGradients.cpu(call, input, outputGradient, weights, strategy, workspace, threads);
  }

  @Override
  public void squareGradients(
      Convolution convolution,
      Tensor input,
      Tensor outputGradient,
      DriftFreeSum weights,
      SquareGradients.Strategy strategy) {
    LayerGeometry call = geometries.convolution(convolution, input, outputGradient);
    SquareGradients.cpu(call, input, outputGradient, weights, strategy, workspace, threads);
  }

  @Override
  public void squareBiasGradients(Tensor outputGradient, DriftFreeSum bias) {
    SquareVectorGradients.bias(outputGradient, bias, threads);
  }

  @Override
  public void squareScaleGradients(Tensor normalised, Tensor outputGradient, DriftFreeSum scale) {
    SquareVectorGradients.scale(normalised, outputGradient, scale, threads);
  }

  @Override
  public void squareEmbeddingGradients(
      MemorySegment tokens, Tensor outputGradient, DriftFreeSum rows) {
    SquareVectorGradients.embedding(tokens, outputGradient, rows, workspace, threads);
  }

  @Override
  public List<SelectTop.Cut> selectTop(List<Tensor> values, MaskStack out, double... ratios) {
    return SelectTop.cpu(values, out, ratios, workspace, threads);
  }

  @Override
  public Dense dense() {
    return dense;
  }

  @Override
  public Objectives objectives() {
    return objectives;
  }

  @Override
  public PerSample perSample() {
    return perSample;
  }

  @Override
  public void close() {
    workspace.close();
  }
}
