package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import io.nepenthe.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** On the processor. */
final class CpuPerSample implements PerSample {
  private final Workspace workspace;
  private final int threads;

  CpuPerSample(Workspace workspace, int threads) {
    this.workspace = workspace;
    this.threads = threads;
  }

  @Override
  public void covariance(
      Tensor rows,
      MemorySegment mask,
      boolean bias,
      Covariance.Sharing sharing,
      DriftFreeSum covariance) {
    LayerGeometry geometry = LayerGeometry.linear(rows, 1);
    Covariance.cpu(geometry, rows, mask, bias, sharing, covariance, workspace, threads);
  }

  @Override
  public void covariance(
      Convolution convolution,
      Tensor input,
      boolean bias,
      Covariance.Sharing sharing,
      DriftFreeSum covariance) {
    LayerGeometry geometry = LayerGeometry.convolution(convolution, input, convolution.groups());
    Covariance.cpu(geometry, input, ALL, bias, sharing, covariance, workspace, threads);
  }

  @Override
  public void sampleGradients(Tensor input, Tensor outputGradient, boolean bias, Tensor out) {
    LayerGeometry geometry = LayerGeometry.linear(input, outputGradient);
    SampleGradients.cpu(geometry, input, outputGradient, bias, out, workspace, threads);
  }

  @Override
  public void sampleGradients(
      Convolution convolution, Tensor input, Tensor outputGradient, boolean bias, Tensor out) {
    LayerGeometry geometry = LayerGeometry.convolution(convolution, input, outputGradient);
    SampleGradients.cpu(geometry, input, outputGradient, bias, out, workspace, threads);
  }

  @Override
  public void sampleNormalisationGradients(Tensor normalised, Tensor outputGradient, Tensor out) {
    SampleGradients.cpuNormalisation(normalised, outputGradient, out, threads);
  }

  @Override
  public void selfScores(
      Tensor input,
      Tensor outputGradient,
      Tensor weights,
      Tensor scores,
      SelfScores.Strategy strategy) {
    LayerGeometry geometry = LayerGeometry.linear(input, outputGradient);
    SelfScores.cpu(geometry, input, outputGradient, weights, scores, strategy, workspace, threads);
  }

  @Override
  public void selfScores(
      Convolution convolution, Tensor input, Tensor outputGradient, Tensor weights, Tensor scores) {
    LayerGeometry geometry = LayerGeometry.convolution(convolution, input, outputGradient);
    SelfScores.Strategy strategy = SelfScores.strategyFor(geometry);
    SelfScores.cpu(geometry, input, outputGradient, weights, scores, strategy, workspace, threads);
  }

  @Override
  public void selfScores(Tensor gradients, Tensor weights, Tensor scores) {
    SelfScores.cpuOfGradients(gradients, weights, scores, threads);
  }

  @Override
  public PackedQueries packQueries(Arena arena, long positions, int groups, Tensor queries) {
    return PairScores.pack(arena, positions, groups, queries, threads);
  }

  @Override
  public void pairScores(
      Tensor input, Tensor outputGradient, boolean bias, PackedQueries queries, Tensor scores) {
    LayerGeometry geometry = LayerGeometry.linear(input, outputGradient);
    PairScores.cpu(geometry, input, outputGradient, bias, queries, scores, workspace, threads);
  }

  @Override
  public void pairScores(
      Convolution convolution,
      Tensor input,
      Tensor outputGradient,
      boolean bias,
      PackedQueries queries,
      Tensor scores) {
    LayerGeometry geometry = LayerGeometry.convolution(convolution, input, outputGradient);
    PairScores.cpu(geometry, input, outputGradient, bias, queries, scores, workspace, threads);
  }

  @Override
  public void pairScoresFactored(Tensor left, Tensor right, Tensor scores) {
    PairScores.cpuFactored(left, right, scores, threads);
  }

  @Override
  public void philox(MemorySegment out, long key, long stream, long first) {
    Philox.cpu(out, key, stream, first, threads);
  }
}
