package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;

/** The kernels that memory binds, as fractions of a copy's bandwidth. */
final class CudaMemoryMeasures {
  private static final int COLOURS = 3;

  private static final Padding AROUND = Padding.of(1, Padding.Mode.CIRCULAR);
  private static final Window HALF = Window.square(2).withStride(2);
  private static final float EPSILON = 1e-5f;

  private final CudaStopwatch watch;
  private final CudaBackend backend;
  private final double roof;

  private CudaMemoryMeasures(CudaStopwatch watch, double roof) {
    this.watch = watch;
    this.backend = watch.backend();
    this.roof = roof;
  }

  static void run(CudaStopwatch watch, int divisor) {
    long n = Math.max(64, (1L << 30) / divisor);
    Tensor a = watch.values(1, n);
    Tensor b = watch.values(2, n);
    double roof =
        watch.bytes(
            "roof copy",
            Roof.copyBytes(n),
            0,
            () -> watch.launch("nep_roof_copy", n, 4, a.address(), b.address(), n));
    Tensor c = watch.values(3, n);
    watch.bytes(
        "roof triad",
        Roof.triadBytes(n),
        0,
        () -> watch.launch("nep_roof_triad", n, 4, c.address(), a.address(), b.address(), 3f, n));
    CudaMemoryMeasures measures = new CudaMemoryMeasures(watch, roof);
    measures.weights(a, b, c);
    int samples = Math.max(2, 1024 / divisor);
    measures.activations(Shape.of(samples, 32, 32, divisor > 1024 ? 4 : 64));
    measures.losses(Math.max(8, (1 << 18) / divisor), 100);
  }

  private void bytes(String name, long bytes, Runnable work) {
    watch.bytes(name, bytes, roof, work);
  }

  /** Over all the weights of a model. */
  private void weights(Tensor a, Tensor b, Tensor c) {
    long n = a.elements();
    Tensor d = watch.values(4, n);
    Dampen.Options dampening = Dampen.Options.of(1.5f, 0.7f);
    bytes("dampen", Dampen.bytes(n), () -> backend.dampen(a, b, c, dampening));
    MaskedSgd.Options sgd = MaskedSgd.Options.of(0.1f, 0.9f, 0);
    long mask = n / Byte.SIZE; // neither optimiser is given one: it would come from the host
    bytes("maskedSgd", MaskedSgd.bytes(n) - mask, () -> backend.sgd(a, b, c, sgd));
    MaskedAdam.Options adam = MaskedAdam.Options.adam(0.001f);
    bytes("maskedAdam", MaskedAdam.bytes(n) - mask, () -> backend.adam(a, b, c, d, 1, adam));
    bytes("addSigns", 3 * Float.BYTES * n, () -> backend.addSigns(a, b, 1e-3f));
    bytes("shrink", 2 * Float.BYTES * n, () -> backend.shrink(a, Optional.empty(), 1e-3f));
    DriftFreeSum sum = DriftFreeSum.of(a, b);
    bytes("moveAverage", 3 * Float.BYTES * n, () -> backend.dense().moveAverage(a, b, 0.9f, 1));
    bytes("accumulate", Accumulate.bytes(n), () -> backend.accumulate(sum, c));
    long words = n / 2;
    bytes(
        "philox",
        Philox.bytes(words),
        () -> watch.launch("nep_philox", words, 2, d.address(), words, 1L, 2L, 0L));
    long few = n / 8;
    Tensor part = c.slice(0, Shape.of(few));
    try (Arena arena = Arena.ofShared()) {
      MaskStack masks = MaskStack.zeros(arena, 1, List.of(part.shape()));
      bytes(
          "selectTop",
          SelectTop.bytes(few, 1),
          () -> backend.selectTop(List.of(part), masks, 0.37));
    }
  }

  /** The engine's layers beside its products, on the images of a network's first stage. */
  private void activations(Shape image) {
    Dense dense = backend.dense();
    long all = image.elements();
    long bytes = image.bytes();
    long samples = image.size(0);
    long channels = image.size(3);
    Tensor x = watch.values(1, all).reshape(image);
    Tensor dy = watch.values(2, all).reshape(image);
    Tensor y = watch.zeros(all).reshape(image);
    Tensor dx = watch.zeros(all).reshape(image);
    bytes(
        "decode",
        bytes / Float.BYTES + bytes,
        () ->
            watch.launch(
                "nep_pixels", all, 4, dy.address(), x.address(), y.address(), all, COLOURS));
    bytes("relu", 2 * bytes, () -> dense.relu(x, y));
    bytes("reluGradient", 3 * bytes, () -> dense.reluGradient(y, dy, dx));
    bytes("celu", 2 * bytes, () -> dense.celu(x, y, 0.075f));
    bytes("celuGradient", 3 * bytes, () -> dense.celuGradient(y, dy, dx, 0.075f));
    bytes("add", 3 * bytes, () -> dense.add(x, dy, dx));
    Tensor first = dy.slice(0, Shape.of(dy.elements() / samples));
    bytes("multiplyRows", 2 * bytes, () -> dense.multiplyRows(dx, first));
    bytes("dropout", 2 * bytes, () -> dense.dropout(x, y, 1, 0.5));
    long gram = CentredGram.bytes(samples, all / samples);
    bytes("centredGram", gram, () -> backend.centredGram(x));
    Shape half = Shape.of(samples, image.size(1) / 2, image.size(2) / 2, channels);
    Tensor pooled = watch.zeros(half.elements()).reshape(half);
    Tensor pooledGradient = watch.values(3, half.elements()).reshape(half);
    long pooling = bytes + half.bytes();
    bytes("maxPool", pooling, () -> dense.maxPool(x, pooled, HALF));
    bytes(
        "maxPoolGradient",
        pooling + bytes + half.bytes(),
        () -> dense.maxPoolGradient(x, pooled, pooledGradient, dx, HALF));
    bytes("averagePool", pooling, () -> dense.averagePool(x, pooled, HALF, false));
    bytes(
        "averagePoolGradient",
        pooling,
        () -> dense.averagePoolGradient(pooledGradient, dx, HALF, false));
    padding(dense, x, dx);
    normalisation(dense, x, dy, y, dx, channels);
    squareVectors(dy, x, samples, all / samples / channels, channels);
  }

  private void padding(Dense dense, Tensor x, Tensor dx) {
    Shape image = x.shape();
    Shape around =
        Shape.of(
            image.size(0),
            AROUND.outputHeight(image.size(1)),
            AROUND.outputWidth(image.size(2)),
            image.size(3));
    Tensor padded = watch.zeros(around.elements()).reshape(around);
    long bytes = image.bytes() + around.bytes();
    bytes("pad", bytes, () -> dense.pad(x, padded, AROUND));
    bytes("padGradient", bytes, () -> dense.padGradient(padded, dx, AROUND));
  }

  private void normalisation(Dense dense, Tensor x, Tensor dy, Tensor y, Tensor dx, long channels) {
    long bytes = x.shape().bytes();
    Tensor mean = watch.zeros(channels);
    Tensor variance = watch.values(5, channels);
    Tensor scale = watch.values(6, channels);
    Tensor shift = watch.zeros(channels);
    // Twice over the values: the mean first, then the squared deviations.
    bytes("batchNormStatistics", 2 * bytes, () -> dense.batchNormStatistics(x, mean, shift));
    bytes(
        "batchNorm",
        3 * bytes,
        () -> dense.batchNorm(x, mean, variance, scale, shift, EPSILON, dx, y));
    bytes("batchNormSums", 2 * bytes, () -> dense.batchNormSums(x, dy, mean, shift, false));
    bytes(
        "batchNormGradient",
        3 * bytes,
        () -> dense.batchNormGradient(x, dy, variance, scale, EPSILON, mean, shift, false, dx));
    FrozenNormalisation norm = new FrozenNormalisation(mean, variance, scale, shift, EPSILON);
    Tensor none = watch.zeros(0);
    Tensor g = watch.zeros(x.elements()).reshape(x.shape());
    Tensor byScale = watch.zeros(x.shape().size(0), channels);
    Tensor byShift = watch.zeros(x.shape().size(0), channels);
    Tensor both = watch.zeros(x.shape().size(0), 2, channels);
    bytes(
        "sampleGradients of a normalisation",
        SampleGradients.normalisationBytes(x.elements(), x.shape().size(0), channels),
        () -> backend.perSample().sampleNormalisationGradients(x, dy, both));
    bytes("batchNormRelu", 2 * bytes, () -> dense.batchNormRelu(norm, x, none, y));
    bytes("batchNormRelu of a sum", 3 * bytes, () -> dense.batchNormRelu(norm, x, dy, y));
    bytes(
        "batchNormReluGradient",
        3 * bytes,
        () -> dense.batchNormReluGradient(norm, x, none, dy, dx, none, byScale, byShift));
    bytes(
        "batchNormReluGradient of a sum",
        5 * bytes,
        () -> dense.batchNormReluGradient(norm, x, y, dy, dx, g, byScale, byShift));
    bytes("batchNormRelu of two", 3 * bytes, () -> dense.batchNormReluPair(norm, x, norm, dy, y));
    NormalisedInput first = new NormalisedInput(norm, x, dx, byScale);
    NormalisedInput second =
        new NormalisedInput(norm, y, g, watch.zeros(byScale.shape().size(0), channels));
    bytes(
        "batchNormReluGradient of two",
        6 * bytes,
        () -> dense.batchNormReluPairGradient(first, second, x, dy, byShift));
  }

  private void squareVectors(
      Tensor gradient, Tensor normalised, long samples, long positions, long channels) {
    DriftFreeSum sum = DriftFreeSum.of(watch.zeros(channels), watch.zeros(channels));
    long bytes = SquareVectorGradients.bytes(gradient.elements());
    Shape rows = Shape.of(samples, positions, channels);
    Tensor flat = gradient.reshape(rows);
    bytes("squareVectorGradients of a bias", bytes, () -> backend.squareBiasGradients(flat, sum));
    bytes(
        "squareVectorGradients of a scale",
        2 * bytes,
        () -> backend.squareScaleGradients(normalised.reshape(rows), flat, sum));
    long words = samples * positions;
    Tensor texts =
        gradient.reshape(Shape.of(DriftFreeSum.PERIOD, words / DriftFreeSum.PERIOD, channels));
    DriftFreeSum table = DriftFreeSum.of(watch.zeros(1000, channels), watch.zeros(1000, channels));
    try (Arena arena = Arena.ofShared()) {
      MemorySegment tokens = arena.allocate(words * Integer.BYTES, Integer.BYTES);
      for (long i = 0; i < words; i++) {
        tokens.setAtIndex(ValueLayout.JAVA_INT, i, (int) (i * 7919 % 1000));
      }
      bytes(
          "squareVectorGradients of an embedding",
          bytes,
          () -> backend.squareEmbeddingGradients(tokens, texts, table));
    }
  }

  /** Labels go to the device and losses into a sum, which the times hold. */
  private void losses(int samples, int classes) {
    Tensor output = watch.values(1, samples, classes);
    Tensor gradient = watch.zeros(samples, classes);
    int[] labels = new int[samples];
    for (int n = 0; n < samples; n++) {
      labels[n] = n % classes;
    }
    long bytes = 2 * output.shape().bytes();
    try (Arena arena = Arena.ofShared()) {
      Objectives of = backend.objectives();
      LossTerm term = new LossTerm(1, 1, LossSum.zero(arena, backend));
      double[] none = {};
      bytes("crossEntropy", bytes, () -> of.crossEntropy(output, labels, term, gradient));
      bytes("squaredError", bytes, () -> of.squaredError(output, labels, none, term, gradient));
    }
    Shape shape = output.shape();
    Tensor sum = watch.zeros(2 + 2L * samples);
    Tensor rows = watch.zeros(samples); // bits of 0: all have the first answer
    bytes(
        "teacher",
        4 * shape.bytes(),
        () ->
            watch.launch(
                "nep_loss_teacher",
                samples * 32L,
                1,
                output.address(),
                output.address(),
                rows.address(),
                sum.address() + Double.BYTES,
                gradient.address(),
                shape.size(0),
                shape.size(1),
                0,
                2.0,
                1.0,
                0.5,
                1f));
    bytes(
        "lossTotal",
        (long) Double.BYTES * samples,
        () ->
            watch.launch(
                "nep_loss_total",
                1,
                1,
                sum.address() + Double.BYTES,
                shape.size(0),
                1.0,
                sum.address()));
    bytes(
        "lossVectors",
        bytes,
        () ->
            watch.launch(
                "nep_loss_vectors",
                samples * 32L,
                1,
                output.address(),
                0L,
                0L,
                0L,
                0L,
                gradient.address(),
                shape.size(0),
                shape.size(1),
                LossVectors.Form.CATEGORICAL.ordinal(),
                0,
                0,
                1,
                1.0,
                1.0));
  }
}
