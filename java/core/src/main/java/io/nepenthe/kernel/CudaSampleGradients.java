package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/** Launches of cuda/sample_gradients.cu. */
final class CudaSampleGradients {
  private final CudaContext context;
  private final String suffix;

  /**
   * Of a precision.
   *
   * @param suffix of its kernels' names
   */
  CudaSampleGradients(CudaContext context, String suffix) {
    this.context = context;
    this.suffix = suffix;
  }

  static SquareGradients.Size size(LayerGeometry geometry, boolean bias) {
    return new SquareGradients.Size(
        geometry.samples(), geometry.positions(), geometry.features(bias), geometry.outputs());
  }

  void write(LayerGeometry geometry, Tensor input, Tensor gradient, boolean bias, Tensor out) {
    SampleGradients.check(geometry, input, gradient, bias, out);
    if (out.elements() == 0) {
      return;
    }
    if (geometry.positions() == 0) {
      out.clear();
      return;
    }
    SquareGradients.Size size = size(geometry, bias);
    try (var op =
        context.begin(
            "sampleGradients",
            input.shape() + " " + gradient.shape(),
            SampleGradients.bytes(size, input.elements()),
            SampleGradients.flops(size))) {
      long target = op.write(out);
      form(op, geometry, op.read(input), op.read(gradient), bias, target);
      op.finish();
    }
  }

  /** As part of an operation, from and to where these lie on the device. */
  void form(
      CudaContext.Operation op,
      LayerGeometry geometry,
      long input,
      long gradient,
      boolean bias,
      long out) {
    long groups = geometry.convolution().groups();
    long tiles = CudaLayer.tiles(geometry.outputs() / groups, geometry.features(bias));
    op.launch(
        "nep_sample_gradients" + suffix,
        new CudaDriver.Grid(
            tiles, groups, CudaLayer.runs(context, tiles * groups, geometry.samples())),
        CudaLayer.arguments(geometry, input, gradient, out, geometry.samples(), bias ? 1 : 0));
  }

  void writeNormalisation(Tensor normalised, Tensor gradient, Tensor out) {
    SampleGradients.checkNormalisation(normalised, gradient, out);
    if (gradient.elements() == 0) {
      out.clear();
      return;
    }
    long samples = SquareVectorGradients.samples(gradient);
    long channels = SquareVectorGradients.channels(gradient);
    try (var op =
        context.begin(
            "sampleNormalisationGradients",
            gradient.shape(),
            SampleGradients.normalisationBytes(gradient.elements(), samples, channels),
            SampleGradients.normalisationFlops(gradient.elements()))) {
      op.launch(
          "nep_sample_gradients_normalisation",
          context.blocks("nep_sample_gradients_normalisation", samples * channels, 1),
          op.read(normalised),
          op.read(gradient),
          op.write(out),
          samples,
          SquareVectorGradients.positions(gradient),
          channels);
      op.finish();
    }
  }
}
