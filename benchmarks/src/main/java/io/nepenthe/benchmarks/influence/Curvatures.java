package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.Labels;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.util.List;

/** The exact Fisher information of a model's data in the forms that are compared. */
final class Curvatures implements AutoCloseable {
  /** From the one that is said to be nearest to it. */
  static final List<String> NAMES = List.of("ekfac", "kfac", "diagonal", "identity");

  private final Model model;
  private final EkFac ekfac;
  private final FisherDiagonal diagonal;

  Curvatures(Model model, Backend backend, Dataset data, Normalisation normalisation) {
    this.model = model;
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT).withBatchSize(256);
    this.ekfac = ekfac(model, backend, data, normalisation, options);
    this.diagonal =
        FisherDiagonal.of(
            model,
            backend,
            data,
            normalisation,
            FisherDiagonal.Options.defaults().withLabels(Labels.EXACT),
            Progress.NONE);
  }

  /** The damped inverse of one of {@link #NAMES}; the caller closes it before this. */
  InverseCurvature inverse(String name, Damping damping) {
    return switch (name) {
      case "ekfac" -> InverseCurvature.ekfac(ekfac, damping);
      case "kfac" -> InverseCurvature.kfac(ekfac, damping);
      case "diagonal" -> InverseCurvature.diagonal(model, diagonal.values(), damping);
      case "identity" -> InverseCurvature.identity(model);
      default -> throw new IllegalArgumentException("no curvature is named " + name);
    };
  }

  /** EK-FAC in two passes. */
  static EkFac ekfac(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options) {
    try (KroneckerFactors factors =
        KroneckerFactors.of(model, backend, data, normalisation, options, Progress.NONE)) {
      return EkFac.of(factors, model, backend, data, normalisation, Progress.NONE);
    }
  }

  @Override
  public void close() {
    diagonal.close();
    ekfac.close();
  }
}
