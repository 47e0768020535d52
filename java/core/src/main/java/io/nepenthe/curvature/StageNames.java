package io.nepenthe.curvature;

/**
 * The names that statistics have in files, each followed by a dot and the parameter's; those of
 * kronfluence (Bae et al.), where it has them. A sum's count is named {@code num_SUM_processed}.
 */
final class StageNames {
  static final String INPUTS = "activation_covariance";
  static final String GRADIENTS = "gradient_covariance";
  static final String SQUARES = "squared_gradient";
  static final String INPUT_VECTORS = "activation_eigenvectors";
  static final String INPUT_VALUES = "activation_eigenvalues";
  static final String GRADIENT_VECTORS = "gradient_eigenvectors";
  static final String GRADIENT_VALUES = "gradient_eigenvalues";
  static final String LAMBDA = "lambda_matrix";
  static final String PRECONDITIONED = "preconditioned_gradient";

  private StageNames() {}

  /** The name of a sum's count. */
  static String processed(String name) {
    int dot = name.indexOf('.');
    String statistic = name.substring(0, dot);
    return "num_"
        + (statistic.equals(LAMBDA) ? "lambda" : statistic)
        + "_processed"
        + name.substring(dot);
  }
}
