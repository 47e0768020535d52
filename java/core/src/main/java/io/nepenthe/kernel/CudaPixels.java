package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Launches of cuda/pixels.cu; bytes and their values go to the device. */
final class CudaPixels {
  private static final int EACH = 4;

  private final CudaContext context;

  CudaPixels(CudaContext context) {
    this.context = context;
  }

  void decode(MemorySegment bytes, float[] values, Tensor y) {
    int channels = Pixels.check(bytes, values, y);
    long n = y.elements();
    if (n == 0) {
      return;
    }
    try (var op = context.begin("decode", y.shape(), n * (1 + Float.BYTES), n);
        Arena arena = Arena.ofConfined()) {
      long target = op.write(y);
      op.launch(
          "nep_pixels",
          context.blocks("nep_pixels", n, EACH),
          op.upload(bytes),
          op.upload(arena.allocateFrom(ValueLayout.JAVA_FLOAT, values)),
          target,
          n,
          channels);
      op.finish();
    }
  }
}
