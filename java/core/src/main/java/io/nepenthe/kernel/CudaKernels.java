package io.nepenthe.kernel;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Properties;
import java.util.stream.Stream;

/** Which source, and so which file in the jar, a CUDA kernel is in. */
final class CudaKernels {
  /** The sources in cuda/, longer names before those that they begin with. */
  static final List<String> SOURCES =
      List.of(
          "accumulate",
          "activation",
          "batch_norm_relu",
          "batch_norm",
          "centred_gram",
          "covariance",
          "dampen",
          "gemm",
          "loss",
          "masked_adam",
          "masked_sgd",
          "pad",
          "pair_scores",
          "penalty",
          "philox",
          "pixels",
          "pool",
          "roof_sm90a",
          "roof",
          "sample_gradients",
          "select_top",
          "self_scores",
          "square_gradients_sm90a",
          "square_gradients",
          "square_vector_gradients",
          "unfold");

  /** The first ptxas that gets wgmma's operands right where their sides are contiguous. */
  private static final int[] RIGHT_WGMMA = {13, 0, 88};

  private CudaKernels() {}

  /** Whether the kernels are in the jar: nvcc may have been missing when it was made. */
  static boolean built() {
    return CudaKernels.class.getResource("/io/nepenthe/cuda/" + SOURCES.get(0) + ".fatbin") != null;
  }

  /** What the build wrote beside the kernels, of the compiler and the chips. */
  private static Optional<Properties> properties() {
    try (InputStream in =
        CudaKernels.class.getResourceAsStream("/io/nepenthe/cuda/kernels.properties")) {
      if (in == null) {
        return Optional.empty();
      }
      Properties properties = new Properties();
      properties.load(in);
      return Optional.of(properties);
    } catch (IOException e) {
      throw new CudaException("cannot read what the CUDA kernels were made with: " + e, e);
    }
  }

  /** CUDA's version as the driver tells its own: 13000 for 13.0; empty without kernels. */
  static OptionalInt toolkit() {
    return properties().stream()
        .map(all -> all.getProperty("toolkit").split("\\."))
        .mapToInt(parts -> Integer.parseInt(parts[0]) * 1000 + Integer.parseInt(parts[1]) * 10)
        .findFirst();
  }

  /** The oldest chip that the kernels are for: 80 for compute capability 8.0; empty without. */
  static OptionalInt leastCapability() {
    return properties().stream()
        .flatMap(all -> Arrays.stream(all.getProperty("architectures").split(" ")))
        .mapToInt(chip -> Integer.parseInt(chip.replaceAll("\\D", "")))
        .min();
  }

  /** The compiler whose assembler gets Hopper's own kernels wrong, if it was that. */
  static Optional<String> wrongForWgmma() {
    return properties()
        .map(all -> all.getProperty("compiler", "0"))
        .filter(CudaKernels::isWrongForWgmma);
  }

  static boolean isWrongForWgmma(String compiler) {
    int[] parts = Stream.of(compiler.split("\\.")).mapToInt(Integer::parseInt).toArray();
    return Arrays.compare(parts, RIGHT_WGMMA) < 0;
  }

  /** The compiler and the chips, for messages. */
  static String made() {
    return properties()
        .map(
            all ->
                "CUDA %s for %s"
                    .formatted(all.getProperty("toolkit"), all.getProperty("architectures")))
        .orElse("an unknown compiler");
  }

  /** The source of a kernel: nep_dampen_totals is in dampen. */
  static String source(String kernel) {
    return SOURCES.stream()
        .filter(source -> (kernel + "_").startsWith("nep_" + source + "_"))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no source has a kernel " + kernel));
  }
}
