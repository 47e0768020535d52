package io.nepenthe.detect;

import io.nepenthe.data.ImageShape;
import java.util.ArrayList;
import java.util.List;

/**
 * A change of an image that destroys or moves what a trigger is, in pixels from 0 to 1, before any
 * normalisation. Ranges are those of the Δ-Influence code (Li et al. 2024), with torchvision's
 * meaning.
 */
public sealed interface Transform {
  /** The changed pixels, H·W·C; the argument is left alone. */
  float[] apply(float[] pixels, ImageShape shape);

  /** The kinds that suit an image: those of colour need three channels. */
  static List<Class<? extends Transform>> kinds(ImageShape shape) {
    List<Class<? extends Transform>> kinds =
        new ArrayList<>(List.of(Flip.class, Affine.class, Elastic.class, Blur.class, Invert.class));
    if (shape.channels() == 3) {
      kinds.add(ColourJitter.class);
      kinds.add(SwapRedGreen.class);
    }
    return kinds;
  }

  /** A transform of a kind drawn uniformly, with its parameters drawn from the same stream. */
  static Transform draw(long seed, long number, ImageShape shape) {
    Draws draws = new Draws(seed, number);
    List<Class<? extends Transform>> kinds = kinds(shape);
    Class<? extends Transform> kind = kinds.get(draws.below(kinds.size()));
    if (kind == Flip.class) {
      return new Flip();
    }
    if (kind == Affine.class) {
      return new Affine(draws.uniform(-180, 180), draws.uniform(1, 2), draws.uniform(-10, 10));
    }
    if (kind == Elastic.class) {
      return new Elastic(150, 5, draws.below(Integer.MAX_VALUE));
    }
    if (kind == Blur.class) {
      return new Blur(draws.uniform(8, 10));
    }
    if (kind == ColourJitter.class) {
      return new ColourJitter(
          draws.uniform(0.9, 1.1),
          draws.uniform(0.9, 1.1),
          draws.uniform(0.6, 1.4),
          draws.uniform(-0.1, 0.1));
    }
    return kind == Invert.class ? new Invert() : new SwapRedGreen();
  }

  /** Left and right exchanged. */
  record Flip() implements Transform {
    @Override
    public float[] apply(float[] pixels, ImageShape shape) {
      return Warp.warp(pixels, shape, (y, x) -> new double[] {y, shape.width() - 1 - x});
    }
  }

  /**
   * Rotated, scaled and sheared about the centre; zeros from outside.
   *
   * @param degrees of rotation
   * @param scale above 1 enlarges
   * @param shear in degrees, along x
   */
  record Affine(double degrees, double scale, double shear) implements Transform {
    @Override
    public float[] apply(float[] pixels, ImageShape shape) {
      double angle = Math.toRadians(degrees);
      double skew = Math.tan(Math.toRadians(shear));
      double cy = (shape.height() - 1) / 2.0;
      double cx = (shape.width() - 1) / 2.0;
      return Warp.warp(
          pixels,
          shape,
          (y, x) -> {
            double dy = (y - cy) / scale;
            double dx = (x - cx) / scale;
            double ry = -Math.sin(angle) * dx + Math.cos(angle) * dy;
            double rx = Math.cos(angle) * dx + Math.sin(angle) * dy;
            return new double[] {cy + ry, cx + rx - skew * ry};
          });
    }
  }

  /**
   * Displaced by smoothed noise (Simard, Steinkraus, Platt 2003).
   *
   * @param alpha strength: displacements are α/2 pixels times smoothed noise from −1 to 1
   * @param sigma standard deviation of the smoothing, in pixels
   * @param seed of the noise
   */
  record Elastic(double alpha, double sigma, long seed) implements Transform {
    @Override
    public float[] apply(float[] pixels, ImageShape shape) {
      float[] down = noise(shape, 0);
      float[] right = noise(shape, 1);
      return Warp.warp(
          pixels,
          shape,
          (y, x) ->
              new double[] {
                y + alpha / 2 * down[y * shape.width() + x],
                x + alpha / 2 * right[y * shape.width() + x]
              });
    }

    private float[] noise(ImageShape shape, long axis) {
      Draws draws = new Draws(seed, axis);
      float[] noise = new float[shape.height() * shape.width()];
      for (int i = 0; i < noise.length; i++) {
        noise[i] = (float) draws.uniform(-1, 1);
      }
      ImageShape plane = new ImageShape(shape.height(), shape.width(), 1);
      int reach = (int) Math.ceil(4 * sigma);
      return Warp.blur(noise, plane, reach, reach, sigma);
    }
  }

  /**
   * Smoothed over 5 rows and 9 columns.
   *
   * @param sigma standard deviation in pixels
   */
  record Blur(double sigma) implements Transform {
    @Override
    public float[] apply(float[] pixels, ImageShape shape) {
      return Warp.blur(pixels, shape, 2, 4, sigma);
    }
  }

  /** 1 − x. */
  record Invert() implements Transform {
    @Override
    public float[] apply(float[] pixels, ImageShape shape) {
      float[] out = new float[pixels.length];
      for (int i = 0; i < out.length; i++) {
        out[i] = 1 - pixels[i];
      }
      return out;
    }
  }

  /** Red and green exchanged. */
  record SwapRedGreen() implements Transform {
    @Override
    public float[] apply(float[] pixels, ImageShape shape) {
      float[] out = pixels.clone();
      for (int i = 0; i + 2 < out.length; i += 3) {
        out[i] = pixels[i + 1];
        out[i + 1] = pixels[i];
      }
      return out;
    }
  }

  /**
   * Brightness, contrast, saturation, hue, one after the other, cut to [0, 1] after each.
   *
   * @param brightness factor
   * @param contrast factor about the mean grey
   * @param saturation factor about each pixel's grey
   * @param hue turned by this share of the circle
   */
  record ColourJitter(double brightness, double contrast, double saturation, double hue)
      implements Transform {
    @Override
    public float[] apply(float[] pixels, ImageShape shape) {
      float[] out = pixels.clone();
      double mean = 0;
      for (int i = 0; i < out.length; i++) {
        out[i] = clip(out[i] * brightness);
      }
      for (int i = 0; i + 2 < out.length; i += 3) {
        mean += grey(out, i) / (out.length / 3.0);
      }
      for (int i = 0; i < out.length; i++) {
        out[i] = clip(mean + contrast * (out[i] - mean));
      }
      for (int i = 0; i + 2 < out.length; i += 3) {
        double grey = grey(out, i);
        for (int c = 0; c < 3; c++) {
          out[i + c] = clip(grey + saturation * (out[i + c] - grey));
        }
        turn(out, i);
      }
      return out;
    }

    private static double grey(float[] p, int i) {
      return 0.299 * p[i] + 0.587 * p[i + 1] + 0.114 * p[i + 2];
    }

    private static float clip(double value) {
      return (float) Math.clamp(value, 0, 1);
    }

    /** The hue, in hue-saturation-value. */
    private void turn(float[] p, int i) {
      float[] hsv =
          java.awt.Color.RGBtoHSB(
              Math.round(255 * p[i]), Math.round(255 * p[i + 1]), Math.round(255 * p[i + 2]), null);
      int rgb = java.awt.Color.HSBtoRGB((float) (hsv[0] + hue), hsv[1], hsv[2]);
      p[i] = (rgb >> 16 & 255) / 255f;
      p[i + 1] = (rgb >> 8 & 255) / 255f;
      p[i + 2] = (rgb & 255) / 255f;
    }
  }
}
