package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * J·v, how a network's outputs change along a direction of its parameters: for every output a
 * backward pass whose sample gradients meet v as a query does, (Jv)[n, c] = ⟨v, ∂f_c(x_n)/∂θ⟩. No
 * difference is taken, so that it is linear in v.
 */
public final class OutputDerivative {
  private static final int BATCH = 64;

  private OutputDerivative() {}

  /**
   * Computes it for every sample.
   *
   * @param direction v, under the model's parameter names
   * @return samples × outputs
   */
  public static Tensor of(
      Arena arena,
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      Parameters direction) {
    int outputs = Math.toIntExact(model.network().output().elements());
    long size = data.size();
    Tensor change = Tensor.zeros(arena, size, outputs);
    try (Arena scratch = Arena.ofShared();
        InverseCurvature identity = InverseCurvature.identity(model);
        Queries query = Queries.of(backend, identity, gathered(scratch, identity, direction));
        InfluenceScores scores = new InfluenceScores(outputs, size, List.of());
        SamplePass pass = new SamplePass(model, backend, data, normalisation, BATCH);
        Owned owned = new Owned()) {
      PairScorer[] scorers = new PairScorer[outputs];
      for (int c = 0; c < outputs; c++) {
        long own = c;
        scorers[c] =
            owned.take(() -> new PairScorer(backend, query, scores, own), PairScorer::close);
      }
      OutputVectors vectors = OutputVectors.ofOutputs(outputs);
      pass.passes(
          Progress.NONE,
          (execution, first, n, labels, ids) -> {
            for (int c = 0; c < outputs; c++) {
              execution.backward(vectors.of(c), scorers[c].visiting(first, n));
              scorers[c].passed();
            }
          });
      for (long n = 0; n < size; n++) {
        for (int c = 0; c < outputs; c++) {
          change.set(n * outputs + c, scores.raw().get(c * size + n));
        }
      }
      return change;
    }
  }

  private static Map<String, Tensor> gathered(
      Arena arena, InverseCurvature identity, Parameters direction) {
    Map<String, Tensor> gathered = new LinkedHashMap<>();
    for (ParameterBlock block : identity.blocks()) {
      Shape shape = EkFac.shape(block);
      Tensor one = Tensor.zeros(arena, 1, shape.size(0), shape.size(1));
      block.gather(direction, one);
      gathered.put(block.name(), one);
    }
    return gathered;
  }
}
