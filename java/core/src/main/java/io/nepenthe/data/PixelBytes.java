package io.nepenthe.data;

import java.lang.foreign.MemorySegment;

/** A data set's images as bytes, 0…255 for 0…1, through buffers that are used again. */
final class PixelBytes {
  private final Dataset dataset;
  private final float[] values;
  private final byte[] bytes;

  PixelBytes(Dataset dataset) {
    this.dataset = dataset;
    this.values = new float[Math.toIntExact(dataset.image().floats())];
    this.bytes = new byte[values.length];
  }

  /** The bytes of one image, valid until the next call. */
  byte[] of(long index) {
    dataset.pixels(index, MemorySegment.ofArray(values), 0);
    for (int i = 0; i < values.length; i++) {
      bytes[i] = (byte) Math.round(values[i] * 255f);
    }
    return bytes;
  }

  /** Whether no image loses anything as bytes. */
  boolean exact() {
    for (long n = 0; n < dataset.size(); n++) {
      of(n);
      for (int i = 0; i < values.length; i++) {
        if (values[i] != (bytes[i] & 0xff) / 255f) {
          return false;
        }
      }
    }
    return true;
  }
}
