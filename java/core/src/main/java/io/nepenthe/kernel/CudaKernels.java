package io.nepenthe.kernel;

import java.util.List;

/** Which source, and so which file in the jar, a CUDA kernel is in. */
final class CudaKernels {
  /** The sources in cuda/, longer names before those that they begin with. */
  static final List<String> SOURCES =
      List.of(
          "accumulate",
          "activation",
          "batch_norm",
          "covariance",
          "dampen",
          "gemm",
          "loss",
          "masked_adam",
          "masked_sgd",
          "pair_scores",
          "philox",
          "pool",
          "roof",
          "sample_gradients",
          "select_top",
          "self_scores",
          "square_gradients",
          "square_vector_gradients",
          "unfold");

  private CudaKernels() {}

  /** Whether the kernels are in the jar: nvcc may have been missing when it was made. */
  static boolean built() {
    return CudaKernels.class.getResource("/io/nepenthe/cuda/" + SOURCES.get(0) + ".fatbin") != null;
  }

  /** The source of a kernel: nep_dampen_totals is in dampen. */
  static String source(String kernel) {
    return SOURCES.stream()
        .filter(source -> (kernel + "_").startsWith("nep_" + source + "_"))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no source has a kernel " + kernel));
  }
}
