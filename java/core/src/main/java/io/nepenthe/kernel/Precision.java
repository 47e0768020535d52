package io.nepenthe.kernel;

/**
 * What the factors of matrix products are rounded to on a CUDA device before they are multiplied;
 * sums are float32 in every case. On the processor it is always {@link #FP32}.
 */
public enum Precision {
  /** Not rounded: the CUDA cores multiply. */
  FP32(0x1p-24),
  /** 10 bits of mantissa: the tensor cores multiply. */
  TF32(0x1p-11),
  /** 7 bits of mantissa: the tensor cores multiply, twice as fast as TF32. */
  BF16(0x1p-8);

  private final double unitRoundoff;

  Precision(double unitRoundoff) {
    this.unitRoundoff = unitRoundoff;
  }

  /** The largest relative error of rounding a factor. */
  public double unitRoundoff() {
    return unitRoundoff;
  }

  /** The end of the names of kernels in this precision. */
  String suffix() {
    return name().toLowerCase(java.util.Locale.ROOT);
  }
}
