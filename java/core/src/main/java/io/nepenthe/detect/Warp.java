package io.nepenthe.detect;

import io.nepenthe.data.ImageShape;

/** Images resampled and smoothed. */
final class Warp {
  private Warp() {}

  /** Where an output pixel comes from: row and column. */
  interface Source {
    double[] of(int y, int x);
  }

  /** Each pixel from its source, bilinearly; zeros outside. */
  static float[] warp(float[] pixels, ImageShape shape, Source source) {
    float[] out = new float[pixels.length];
    int channels = shape.channels();
    for (int y = 0; y < shape.height(); y++) {
      for (int x = 0; x < shape.width(); x++) {
        double[] at = source.of(y, x);
        int top = (int) Math.floor(at[0]);
        int left = (int) Math.floor(at[1]);
        for (int corner = 0; corner < 4; corner++) {
          int sy = top + corner / 2;
          int sx = left + corner % 2;
          double weight = (1 - Math.abs(at[0] - sy)) * (1 - Math.abs(at[1] - sx));
          if (weight > 0 && sy >= 0 && sy < shape.height() && sx >= 0 && sx < shape.width()) {
            for (int c = 0; c < channels; c++) {
              out[(y * shape.width() + x) * channels + c] +=
                  (float) (weight * pixels[(sy * shape.width() + sx) * channels + c]);
            }
          }
        }
      }
    }
    return out;
  }

  /** Gaussian smoothing over ±rows and ±columns; edges are mirrored. */
  static float[] blur(float[] pixels, ImageShape shape, int rows, int columns, double sigma) {
    float[] vertical = along(pixels, shape, kernel(rows, sigma), true);
    return along(vertical, shape, kernel(columns, sigma), false);
  }

  private static double[] kernel(int reach, double sigma) {
    double[] kernel = new double[2 * reach + 1];
    double sum = 0;
    for (int i = -reach; i <= reach; i++) {
      kernel[i + reach] = Math.exp(-0.5 * i * i / (sigma * sigma));
      sum += kernel[i + reach];
    }
    for (int i = 0; i < kernel.length; i++) {
      kernel[i] /= sum;
    }
    return kernel;
  }

  private static float[] along(float[] pixels, ImageShape shape, double[] kernel, boolean down) {
    float[] out = new float[pixels.length];
    int reach = kernel.length / 2;
    int channels = shape.channels();
    for (int y = 0; y < shape.height(); y++) {
      for (int x = 0; x < shape.width(); x++) {
        for (int c = 0; c < channels; c++) {
          double sum = 0;
          for (int k = -reach; k <= reach; k++) {
            int sy = down ? mirror(y + k, shape.height()) : y;
            int sx = down ? x : mirror(x + k, shape.width());
            sum += kernel[k + reach] * pixels[(sy * shape.width() + sx) * channels + c];
          }
          out[(y * shape.width() + x) * channels + c] = (float) sum;
        }
      }
    }
    return out;
  }

  private static int mirror(int at, int size) {
    if (size == 1) {
      return 0;
    }
    int period = 2 * (size - 1);
    int within = Math.floorMod(at, period);
    return within < size ? within : period - within;
  }
}
