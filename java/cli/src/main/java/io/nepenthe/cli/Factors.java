package io.nepenthe.cli;

import io.nepenthe.curvature.Activations;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;

/** The passes that make EK-FAC factors, as phases of a command. */
final class Factors {
  private Factors() {}

  static KroneckerFactors covariance(
      Run run,
      Model model,
      Dataset data,
      Normalisation normalisation,
      FactorOptions options,
      Activations activations) {
    return run.phase(
        "covariance",
        "covariance",
        data.size(),
        "images",
        progress ->
            KroneckerFactors.of(
                model, run.backend(), data, normalisation, options, activations, progress));
  }

  static EkFac lambda(
      Run run,
      Model model,
      Dataset data,
      Normalisation normalisation,
      KroneckerFactors factors,
      Activations activations) {
    return run.phase(
        "lambda",
        "eigenvalues",
        data.size(),
        "images",
        progress ->
            EkFac.of(factors, model, run.backend(), data, normalisation, activations, progress));
  }
}
