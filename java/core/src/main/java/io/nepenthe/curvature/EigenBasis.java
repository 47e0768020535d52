package io.nepenthe.curvature;

import io.nepenthe.kernel.SymmetricEigen;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The eigenvectors of a block's Kronecker factors, A = Q_A diag(α) Q_Aᵀ and B = Q_B diag(β) Q_Bᵀ of
 * each group: decomposed in float64, kept in float32. Eigenvalues that rounding made negative are
 * 0.
 *
 * @param inputVectors Q_A, [γ, columns, columns], eigenvectors in columns
 * @param gradientVectors Q_B, [γ, outputs, outputs]
 * @param inputValues α of each group, ascending
 * @param gradientValues β of each group
 * @param clamped how many eigenvalues were negative
 */
record EigenBasis(
    ParameterBlock block,
    Tensor inputVectors,
    Tensor gradientVectors,
    double[][] inputValues,
    double[][] gradientValues,
    int clamped) {
  /** One matrix of one block. */
  private record Job(ParameterBlock block, int group, boolean input) {
    long size() {
      return input ? block.columns() : block.groupOutputs();
    }
  }

  /** The bases of all blocks with factors, in {@code arena}. */
  static Map<String, EigenBasis> of(Arena arena, KroneckerFactors factors) {
    List<Job> jobs = new ArrayList<>();
    for (ParameterBlock block : factors.blocks()) {
      for (int group = 0; !block.isDiagonal() && group < block.groups(); group++) {
        jobs.add(new Job(block, group, true));
        jobs.add(new Job(block, group, false));
      }
    }
    jobs.sort(Comparator.comparingLong(Job::size).reversed());
    List<SymmetricEigen> solved =
        factors.backend().symmetricEigen(i -> matrix(factors, jobs.get(i)), jobs.size());
    Map<Job, SymmetricEigen> found = new HashMap<>();
    for (int i = 0; i < jobs.size(); i++) {
      found.put(jobs.get(i), solved.get(i));
    }
    Map<String, EigenBasis> bases = new LinkedHashMap<>();
    for (ParameterBlock block : factors.blocks()) {
      if (!block.isDiagonal()) {
        bases.put(block.name(), of(arena, block, found));
      }
    }
    return bases;
  }

  private static SymmetricEigen.Matrix matrix(KroneckerFactors factors, Job job) {
    double[] values =
        job.input
            ? factors.inputFactor(job.block, job.group)
            : factors.gradientFactor(job.block, job.group);
    return new SymmetricEigen.Matrix(values, Math.toIntExact(job.size()));
  }

  private static EigenBasis of(Arena arena, ParameterBlock block, Map<Job, SymmetricEigen> found) {
    int groups = block.groups();
    long columns = block.columns();
    long outputs = block.groupOutputs();
    Tensor inputs = Tensor.zeros(arena, Shape.of(groups, columns, columns));
    Tensor gradients = Tensor.zeros(arena, Shape.of(groups, outputs, outputs));
    double[][] alpha = new double[groups][];
    double[][] beta = new double[groups][];
    int clamped = 0;
    for (int group = 0; group < groups; group++) {
      SymmetricEigen input = found.get(new Job(block, group, true));
      SymmetricEigen gradient = found.get(new Job(block, group, false));
      copy(input.vectors(), inputs, group);
      copy(gradient.vectors(), gradients, group);
      alpha[group] = input.values().clone();
      beta[group] = gradient.values().clone();
      clamped += clamp(alpha[group]) + clamp(beta[group]);
    }
    return new EigenBasis(block, inputs, gradients, alpha, beta, clamped);
  }

  private static void copy(double[] vectors, Tensor to, int group) {
    long first = (long) group * vectors.length;
    for (int i = 0; i < vectors.length; i++) {
      to.set(first + i, (float) vectors[i]);
    }
  }

  private static int clamp(double[] values) {
    int negative = 0;
    for (int i = 0; i < values.length; i++) {
      if (values[i] < 0) {
        values[i] = 0;
        negative++;
      }
    }
    return negative;
  }

  /** β ⊗ α: KFAC's eigenvalues, [O, columns]. */
  void kroneckerValues(Tensor out) {
    long columns = block.columns();
    for (long o = 0; o < block.outputs(); o++) {
      int group = (int) (o / block.groupOutputs());
      double beta = gradientValues[group][(int) (o % block.groupOutputs())];
      for (int j = 0; j < columns; j++) {
        out.set(o * columns + j, (float) (beta * inputValues[group][j]));
      }
    }
  }
}
