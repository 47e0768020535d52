package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Brings each channel to mean 0 and standard deviation 1: x ← (x − mean) / std.
 *
 * @param mean one value a channel
 * @param std one positive value a channel
 */
public record Normalisation(float[] mean, float[] std) {
  /** The values that bytes stand for. */
  static final float[] UNIT = new float[256];

  static {
    for (int b = 0; b < UNIT.length; b++) {
      UNIT[b] = b / 255f;
    }
  }

  /**
   * Copies and checks the values.
   *
   * @throws IllegalArgumentException if the arrays are empty or differ in length, or a value is not
   *     finite, or a deviation is not positive
   */
  public Normalisation {
    mean = mean.clone();
    std = std.clone();
    if (mean.length == 0 || mean.length != std.length) {
      throw new IllegalArgumentException(
          "one mean and one deviation a channel: " + mean.length + " and " + std.length);
    }
    for (int c = 0; c < mean.length; c++) {
      if (!Float.isFinite(mean[c]) || !Float.isFinite(std[c]) || std[c] <= 0) {
        throw new IllegalArgumentException(
            "channel " + c + ": mean " + mean[c] + ", deviation " + std[c]);
      }
    }
  }

  /**
   * Reads numbers between commas.
   *
   * @param mean for instance {@code 0.49,0.48,0.45}
   * @param std as many
   * @return the normalisation
   * @throws IllegalArgumentException if one is no number, or they do not make a normalisation
   */
  public static Normalisation parse(String mean, String std) {
    return new Normalisation(numbers(mean), numbers(std));
  }

  private static float[] numbers(String text) {
    String[] words = text.split(",");
    float[] values = new float[words.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.parseFloat(words[i].strip());
    }
    return values;
  }

  /**
   * The normalisation that changes nothing.
   *
   * @param channels how many channels
   * @return mean 0, deviation 1
   */
  public static Normalisation identity(int channels) {
    float[] ones = new float[channels];
    Arrays.fill(ones, 1f);
    return new Normalisation(new float[channels], ones);
  }

  /**
   * The mean and population standard deviation of every pixel of a data set, by channel. Sums run
   * in double, image by image in order, so the result is the same on every machine. A constant
   * channel gets the deviation 1; an empty data set gets {@link #identity}.
   *
   * @param dataset what to measure
   * @return its normalisation
   */
  public static Normalisation of(Dataset dataset) {
    int channels = dataset.image().channels();
    if (dataset.size() == 0) {
      return identity(channels);
    }
    int count = Math.toIntExact(dataset.image().floats());
    float[] values = new float[count];
    MemorySegment pixels = MemorySegment.ofArray(values);
    double[] sums = new double[channels];
    double[] squares = new double[channels];
    for (long n = 0; n < dataset.size(); n++) {
      dataset.pixels(n, pixels, 0);
      for (int c = 0; c < channels; c++) {
        double sum = 0;
        double square = 0;
        for (int i = c; i < count; i += channels) {
          sum += values[i];
          square += (double) values[i] * values[i];
        }
        sums[c] += sum;
        squares[c] += square;
      }
    }
    double each = (double) dataset.size() * (count / channels);
    float[] mean = new float[channels];
    float[] std = new float[channels];
    for (int c = 0; c < channels; c++) {
      double average = sums[c] / each;
      double variance = squares[c] / each - average * average;
      mean[c] = (float) average;
      // Below this the difference of the two sums is rounding, not spread.
      std[c] = variance > 1e-12 ? (float) Math.sqrt(variance) : 1f;
    }
    return new Normalisation(mean, std);
  }

  /** The number of channels. */
  public int channels() {
    return mean.length;
  }

  /** A copy of the means. */
  @Override
  public float[] mean() {
    return mean.clone();
  }

  /** A copy of the deviations. */
  @Override
  public float[] std() {
    return std.clone();
  }

  /**
   * Normalises values in place.
   *
   * @param values channels-last pixels
   * @param floatOffset the first one's place, counted in floats; it belongs to channel 0
   * @param count how many, a multiple of the channels
   * @throws IllegalArgumentException if {@code count} is not a multiple of the channels
   * @throws IndexOutOfBoundsException if the range is not within {@code values}
   */
  public void apply(MemorySegment values, long floatOffset, long count) {
    int channels = mean.length;
    if (count % channels != 0) {
      throw new IllegalArgumentException(count + " values are not whole pixels of " + channels);
    }
    for (int c = 0; c < channels; c++) {
      float centre = mean[c];
      float scale = std[c];
      for (long i = floatOffset + c; i < floatOffset + count; i += channels) {
        float value = values.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (value - centre) / scale);
      }
    }
  }

  /**
   * The normalised values of all bytes, of which b stands for b / 255: those of channel c from 256
   * · c on, to the bit what {@link #apply} makes of them.
   */
  public float[] ofBytes() {
    float[] values = new float[mean.length * UNIT.length];
    for (int i = 0; i < values.length; i++) {
      int c = i / UNIT.length;
      values[i] = (UNIT[i % UNIT.length] - mean[c]) / std[c];
    }
    return values;
  }

  /** Equal if every value is. */
  @Override
  public boolean equals(Object other) {
    return other instanceof Normalisation that
        && Arrays.equals(mean, that.mean)
        && Arrays.equals(std, that.std);
  }

  /** Consistent with {@link #equals}. */
  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(mean) + Arrays.hashCode(std);
  }

  /** Both arrays in full. */
  @Override
  public String toString() {
    return "Normalisation[mean=" + Arrays.toString(mean) + ", std=" + Arrays.toString(std) + "]";
  }
}
