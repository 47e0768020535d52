package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Launches of cuda/covariance.cu. */
final class CudaCovariance {
  /** What the samples' own sums may take at once. */
  private static final long MOST_BYTES = 256L << 20;

  /** From here on every sample has a sum of its own. */
  private static final long MANY_POSITIONS = 32;

  private final CudaContext.Operation op;
  private final CudaContext context;
  private final String kernel;

  private CudaCovariance(CudaContext context, CudaContext.Operation op, String suffix) {
    this.context = context;
    this.op = op;
    this.kernel = "nep_covariance" + suffix;
  }

  /** Adds a layer's samples. */
  static void add(
      CudaContext context,
      String suffix,
      LayerGeometry geometry,
      Tensor input,
      MemorySegment mask,
      boolean bias,
      Covariance.Sharing sharing,
      DriftFreeSum covariance) {
    Covariance.check(geometry, input, mask, bias, covariance);
    if (input.elements() > 0) {
      boolean expand = sharing == Covariance.Sharing.EXPAND;
      long features = geometry.features(bias);
      long rows = geometry.samples() * (expand ? geometry.positions() : 1);
      try (var op =
          context.begin(
              "covariance",
              input.shape() + " " + sharing,
              Covariance.bytes(input.elements(), features),
              Covariance.flops(rows, features) * geometry.convolution().groups())) {
        CudaCovariance launches = new CudaCovariance(context, op, suffix);
        long values = op.read(input);
        long counts = mask.equals(PerSample.ALL) ? 0L : op.upload(mask);
        if (expand) {
          launches.rows(geometry, values, counts, bias, covariance);
        } else {
          boolean mean = sharing == Covariance.Sharing.MEAN;
          long pooled = launches.pool(geometry, values, counts, bias, mean);
          launches.rows(pooledRows(geometry, features), pooled, 0, false, covariance);
        }
        op.finish();
      }
    }
    covariance.advance(geometry.samples());
  }

  /** One row a sample, of each group's features. */
  private static LayerGeometry pooledRows(LayerGeometry of, long features) {
    int groups = of.convolution().groups();
    Convolution point = Window.square(1).convolution(groups);
    return new LayerGeometry(point, of.samples(), 1, 1, groups * features, 1, 1, groups);
  }

  private long pool(LayerGeometry geometry, long input, long mask, boolean bias, boolean mean) {
    long count = geometry.samples() * geometry.convolution().groups() * geometry.features(bias);
    long pooled = op.scratch(count * Float.BYTES);
    op.launch(
        "nep_covariance_pool",
        context.blocks("nep_covariance_pool", count, 1),
        CudaLayer.arguments(
            geometry, input, mask, pooled, mean ? 1 : 0, geometry.samples(), bias ? 1 : 0));
    return pooled;
  }

  /** Every row counts on its own. */
  private void rows(
      LayerGeometry geometry, long input, long mask, boolean bias, DriftFreeSum covariance) {
    long side = CudaLayer.tiles(geometry.features(bias));
    long tiles = side * (side + 1) / 2;
    long sum = op.update(covariance.sum());
    long rest = op.update(covariance.rest());
    boolean shared =
        geometry.positions() >= MANY_POSITIONS
            && geometry.samples() > 1
            && CudaLayer.wanted(context, tiles * geometry.convolution().groups()) > 1;
    if (shared) {
      shared(geometry, tiles, input, mask, bias, covariance.phase(), sum, rest);
    } else {
      launch(geometry, tiles, 1, input, mask, bias, covariance.phase(), sum, rest, 0);
    }
  }

  /** Blocks share a tile's samples out: each sample's sum is written, then they are added. */
  private void shared(
      LayerGeometry geometry,
      long tiles,
      long input,
      long mask,
      boolean bias,
      int phase,
      long sum,
      long rest) {
    long size = geometry.features(bias);
    long groups = geometry.convolution().groups();
    long each = groups * size * size;
    long atOnce = Math.clamp(MOST_BYTES / (each * Float.BYTES), 1, geometry.samples());
    long partial = op.scratch(atOnce * each * Float.BYTES);
    long image = geometry.height() * geometry.width() * geometry.channels() * Float.BYTES;
    for (long first = 0; first < geometry.samples(); first += atOnce) {
      LayerGeometry part = geometry.withSamples(Math.min(atOnce, geometry.samples() - first));
      int from = (int) ((phase + first) % DriftFreeSum.PERIOD);
      launch(
          part,
          tiles,
          CudaLayer.runs(context, tiles * groups, part.samples()),
          input + first * image,
          mask == 0 ? 0L : mask + first * geometry.positions(),
          bias,
          from,
          sum,
          rest,
          partial);
      op.launch(
          "nep_covariance_totals",
          context.blocks("nep_covariance_totals", each, 1),
          partial,
          part.samples(),
          groups,
          size,
          from,
          sum,
          rest);
    }
  }

  private void launch(
      LayerGeometry geometry,
      long tiles,
      long runs,
      long input,
      long mask,
      boolean bias,
      int phase,
      long sum,
      long rest,
      long partial) {
    op.launch(
        kernel,
        new CudaDriver.Grid(tiles, geometry.convolution().groups(), runs),
        CudaLayer.arguments(
            geometry, input, mask, sum, rest, partial, geometry.samples(), phase, bias ? 1 : 0));
  }
}
