package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Launches of cuda/centred_gram.cu. */
final class CudaCentredGram {
  /** Of a block, as the source has it. */
  private static final long TILE = 32;

  private CudaCentredGram() {}

  static double[] of(CudaContext context, Tensor rows) {
    long n = CentredGram.check(rows);
    long width = rows.elements() / n;
    long tiles = CudaLayer.ceiling(n, TILE);
    try (var op =
            context.begin(
                "centredGram",
                rows.shape(),
                CentredGram.bytes(n, width),
                CentredGram.flops(n, width));
        Arena arena = Arena.ofConfined()) {
      long values = op.read(rows);
      long means = op.scratch(width * Double.BYTES);
      long products = op.scratch(n * n * Double.BYTES);
      op.launch(
          "nep_centred_gram_means",
          context.blocks("nep_centred_gram_means", width, 1),
          values,
          means,
          n,
          width);
      op.launch(
          "nep_centred_gram",
          new CudaDriver.Grid(tiles, tiles, 1),
          values,
          means,
          products,
          n,
          width);
      MemorySegment host = arena.allocate(n * n * Double.BYTES, Double.BYTES);
      context.driver().download(host, products);
      op.finish();
      return host.toArray(ValueLayout.JAVA_DOUBLE);
    }
  }
}
