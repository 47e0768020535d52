package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;

/** Launches over a layer's samples: the sizes as cuda/layer.cuh takes them, and the blocks. */
final class CudaLayer {
  private static final long TILE = 64;

  /** Runs of samples are cut until every multiprocessor has this many blocks. */
  private static final long BLOCKS_EACH = 2;

  private static final int SIZES = 15;
  private static final long MOST_Z = 65535;

  private CudaLayer() {}

  static long ceiling(long a, long b) {
    return (a + b - 1) / b;
  }

  /** Within one image, the kernels of layers count in 32 bits. */
  static void requireSmall(Shape images) {
    long each = images.size(1) * images.size(2) * images.size(3);
    if (each > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("an image of " + images + " has too many elements");
    }
  }

  /** The tiles along a side. */
  static long tiles(long side) {
    return ceiling(side, TILE);
  }

  static long tiles(long rows, long columns) {
    return tiles(rows) * tiles(columns);
  }

  /** How often so many blocks must be there for the device to be busy. */
  static long wanted(CudaContext context, long blocks) {
    return ceiling(context.driver().multiprocessors() * BLOCKS_EACH, blocks);
  }

  /** The runs that samples are cut into where each is on its own: blocks that keep it busy. */
  static long runs(CudaContext context, long blocks, long samples) {
    return Math.clamp(wanted(context, blocks), 1, Math.min(samples, MOST_Z));
  }

  /** Other arguments, then the layer's sizes. */
  static Object[] arguments(LayerGeometry call, Object... before) {
    Object[] all = new Object[before.length + SIZES];
    System.arraycopy(before, 0, all, 0, before.length);
    Window window = call.convolution().window();
    int[] sizes = {
      Math.toIntExact(call.height()),
      Math.toIntExact(call.width()),
      Math.toIntExact(call.channels()),
      Math.toIntExact(call.outHeight()),
      Math.toIntExact(call.outWidth()),
      Math.toIntExact(call.outputs()),
      window.kernelHeight(),
      window.kernelWidth(),
      window.strideHeight(),
      window.strideWidth(),
      window.top(),
      window.left(),
      window.dilationHeight(),
      window.dilationWidth(),
      call.convolution().groups()
    };
    for (int i = 0; i < SIZES; i++) {
      all[before.length + i] = sizes[i];
    }
    return all;
  }
}
