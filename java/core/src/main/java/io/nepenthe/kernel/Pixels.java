package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Images of a byte a value as the floats that the bytes stand for: y[i] = values[256·c + bytes[i]],
 * with c = i mod C the channel of C. The values of a channel are a table, so whatever is done to
 * bytes one by one, for instance normalising them, leaves the same bits everywhere.
 */
final class Pixels {
  /** What a byte can be. */
  static final int BYTES = 256;

  private Pixels() {}

  /** Checks the arguments; gives the number of channels. */
  static int check(MemorySegment bytes, float[] values, Tensor y) {
    if (values.length == 0 || values.length % BYTES != 0) {
      throw new IllegalArgumentException(
          "values must be " + BYTES + " for each channel, found " + values.length);
    }
    int channels = values.length / BYTES;
    if (bytes.byteSize() != y.elements() || y.elements() % channels != 0) {
      throw new IllegalArgumentException(
          "y must hold a value for each of %d bytes of %d channels, found %s"
              .formatted(bytes.byteSize(), channels, y.shape()));
    }
    return channels;
  }

  static void decode(MemorySegment bytes, float[] values, Tensor y) {
    int channels = check(bytes, values, y);
    for (long i = 0; i < y.elements(); i += channels) {
      for (int c = 0; c < channels; c++) {
        int value = bytes.get(ValueLayout.JAVA_BYTE, i + c) & 0xff;
        y.set(i + c, values[c * BYTES + value]);
      }
    }
  }
}
