package io.nepenthe.data;

import java.awt.geom.AffineTransform;
import java.awt.geom.Path2D;
import java.awt.geom.PathIterator;
import java.util.Arrays;
import java.util.List;

/**
 * Draws one glyph as a person with an unsteady hand would: Java2D's paths, curves and affine maps,
 * under a random rotation, shear, scale and shift, a wavering of the plane, a random pen and ink,
 * stray strokes, and noise. The pen is a disc; a pixel is as dark as the disc's distance from it
 * says, which is what antialiasing a round stroke gives.
 *
 * <p>Java2D's own rasteriser is not used, because a Graphics2D asks for the machine's display and
 * its result is not promised to be the same everywhere. Here every operation is exact IEEE
 * arithmetic or {@link StrictMath}.
 */
final class GlyphRenderer {
  private static final int SIDE = Glyphs.SIDE;
  private static final int MOST_SEGMENTS = 512;

  private final double hardness;
  private final double[] segments = new double[4 * MOST_SEGMENTS];
  private final double[] ink = new double[SIDE * SIDE];
  private final double[] nearest = new double[SIDE * SIDE];
  private int count;

  GlyphRenderer(double hardness) {
    this.hardness = hardness;
  }

  /** Writes SIDE² bytes: one character, all randomness taken from {@code random}. */
  void render(char character, Random64 random, byte[] out) {
    Arrays.fill(ink, 0);
    List<Path2D.Double> ways = GlyphShapes.of(character);
    Path2D.Double way = ways.get(random.nextInt(ways.size()));
    count = 0;
    flatten(way.getPathIterator(affine(random)));
    waver(random);
    stroke(random.between(0.7, 1.7), random.between(0.65, 1));
    int strays = random.nextDouble() < 0.6 * hardness ? 1 + random.nextInt(2) : 0;
    for (int i = 0; i < strays; i++) {
      count = 0;
      stray(random);
      stroke(random.between(0.5, 1.1), random.between(0.3, 0.8));
    }
    finish(random, out);
  }

  /** From the 100×100 box of the strokes to pixels. */
  private AffineTransform affine(Random64 random) {
    double angle = hardness * random.between(-0.40, 0.40);
    double shear = hardness * random.between(-0.35, 0.35);
    double height = SIDE * random.between(0.50, 0.74) / 100;
    double width = height * random.between(0.55, 1.0);
    double cos = StrictMath.cos(angle);
    double sin = StrictMath.sin(angle);
    AffineTransform map =
        new AffineTransform(
            width * cos,
            width * sin,
            height * (shear * cos - sin),
            height * (shear * sin + cos),
            SIDE / 2.0 + hardness * random.between(-3, 3),
            SIDE / 2.0 + hardness * random.between(-3, 3));
    map.translate(-50, -50);
    return map;
  }

  private void flatten(PathIterator path) {
    double[] p = new double[6];
    double x = 0;
    double y = 0;
    for (; !path.isDone(); path.next()) {
      switch (path.currentSegment(p)) {
        case PathIterator.SEG_MOVETO -> {
          x = p[0];
          y = p[1];
        }
        case PathIterator.SEG_LINETO -> {
          // Cut up, so that the wavering bends straight lines too.
          for (int i = 0; i < 6; i++) {
            add(
                x + (p[0] - x) * i / 6,
                y + (p[1] - y) * i / 6,
                x + (p[0] - x) * (i + 1) / 6,
                y + (p[1] - y) * (i + 1) / 6);
          }
          x = p[0];
          y = p[1];
        }
        default -> {
          double fromX = x;
          double fromY = y;
          for (int i = 1; i <= 10; i++) {
            double t = i / 10.0;
            double u = 1 - t;
            double nextX =
                u * u * u * fromX + 3 * u * u * t * p[0] + 3 * u * t * t * p[2] + t * t * t * p[4];
            double nextY =
                u * u * u * fromY + 3 * u * u * t * p[1] + 3 * u * t * t * p[3] + t * t * t * p[5];
            add(x, y, nextX, nextY);
            x = nextX;
            y = nextY;
          }
        }
      }
    }
  }

  private void add(double x1, double y1, double x2, double y2) {
    int at = 4 * count++;
    segments[at] = x1;
    segments[at + 1] = y1;
    segments[at + 2] = x2;
    segments[at + 3] = y2;
  }

  /** Bends the plane by one wave in each direction. */
  private void waver(Random64 random) {
    double across = hardness * random.between(0, 1.6);
    double along = hardness * random.between(0, 1.6);
    double waveX = random.between(0.15, 0.40);
    double waveY = random.between(0.15, 0.40);
    double phaseX = random.between(0, 6.283185307179586);
    double phaseY = random.between(0, 6.283185307179586);
    for (int i = 0; i < 2 * count; i++) {
      double x = segments[2 * i];
      double y = segments[2 * i + 1];
      segments[2 * i] = x + across * StrictMath.sin(waveX * y + phaseX);
      segments[2 * i + 1] = y + along * StrictMath.sin(waveY * x + phaseY);
    }
  }

  /** A short line that belongs to no glyph. */
  private void stray(Random64 random) {
    double x = random.between(2, SIDE - 2);
    double y = random.between(2, SIDE - 2);
    double angle = random.between(0, 6.283185307179586);
    double length = random.between(3, 9);
    add(x, y, x + length * StrictMath.cos(angle), y + length * StrictMath.sin(angle));
  }

  /** Adds a pen line of half width {@code radius} along every segment; ink does not add up. */
  private void stroke(double radius, double darkness) {
    Arrays.fill(nearest, Double.POSITIVE_INFINITY);
    double reach = radius + 1;
    for (int s = 0; s < count; s++) {
      double x1 = segments[4 * s];
      double y1 = segments[4 * s + 1];
      double dx = segments[4 * s + 2] - x1;
      double dy = segments[4 * s + 3] - y1;
      double inverse = 1 / Math.max(dx * dx + dy * dy, 1e-9);
      int top = pixel(Math.min(y1, y1 + dy) - reach);
      int bottom = pixel(Math.max(y1, y1 + dy) + reach);
      int left = pixel(Math.min(x1, x1 + dx) - reach);
      int right = pixel(Math.max(x1, x1 + dx) + reach);
      for (int y = top; y <= bottom; y++) {
        for (int x = left; x <= right; x++) {
          double px = x + 0.5 - x1;
          double py = y + 0.5 - y1;
          double t = Math.min(1, Math.max(0, (px * dx + py * dy) * inverse));
          double ox = px - t * dx;
          double oy = py - t * dy;
          int at = y * SIDE + x;
          nearest[at] = Math.min(nearest[at], ox * ox + oy * oy);
        }
      }
    }
    for (int i = 0; i < nearest.length; i++) {
      if (nearest[i] < reach * reach) {
        double cover = Math.min(1, Math.max(0, radius + 0.5 - Math.sqrt(nearest[i])));
        ink[i] = Math.max(ink[i], darkness * cover);
      }
    }
  }

  private static int pixel(double coordinate) {
    return Math.min(SIDE - 1, Math.max(0, (int) coordinate));
  }

  private void finish(Random64 random, byte[] out) {
    double ground = hardness * random.between(0, 0.15);
    double noise = hardness * random.between(0.02, 0.18);
    for (int i = 0; i < ink.length; i++) {
      double value = ground + (1 - ground) * ink[i] + noise * random.nextBell();
      out[i] = (byte) Math.round(255 * Math.min(1, Math.max(0, value)));
    }
  }
}
