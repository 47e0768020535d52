package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * The frequency detector (Zeng, Park, Mao, Jia, "Rethinking the backdoor attacks' triggers: a
 * frequency perspective", ICCV 2021): triggers leave high frequencies that natural images lack. A
 * small network learns to tell the cosine spectra of trusted images from those of the same images
 * with marks of its own making: a white or coloured square, noise, a shadow. It knows nothing of
 * the attack. The score is the logarithm of its odds for "marked".
 */
public final class FrequencyDetector {
  private static final List<String> CLASSES = List.of("clean", "marked");
  private static final int HIDDEN = 64;

  private FrequencyDetector() {}

  /**
   * Learns from trusted images and scores the others.
   *
   * @param trusted clean images of the same shape
   * @param seed of the marks and the network
   * @throws IllegalArgumentException if they are of another shape, or none
   */
  public static Detection of(Backend backend, Dataset training, Dataset trusted, long seed) {
    if (!trusted.image().equals(training.image()) || trusted.size() == 0) {
      throw new IllegalArgumentException(
          "trusted images of "
              + training.image()
              + " are needed, found "
              + trusted.size()
              + " of "
              + trusted.image());
    }
    Dataset lessons = lessons(trusted, seed);
    Normalisation normalisation = Normalisation.of(lessons);
    ImageShape shape = lessons.image();
    Extent input = Extent.image(shape.height(), shape.width(), shape.channels());
    try (Model model = Model.initialise(Architectures.mlp(input, 2, HIDDEN), seed);
        Predictor predictor = new Predictor(model, backend, 256);
        Arena arena = Arena.ofConfined()) {
      new Trainer(10, 64, Optimiser.adam(1e-3), seed)
          .train(model, backend, lessons, normalisation, Trainer.Progress.NONE);
      List<float[]> spectra = new ArrayList<>();
      for (long i = 0; i < training.size(); i++) {
        spectra.add(spectrum(HeldImages.pixels(training, i), training.image()));
      }
      Dataset asked = new HeldImages("spectra", shape, CLASSES, spectra, new int[spectra.size()]);
      Tensor logits = predictor.logits(arena, asked, normalisation);
      double[] scores = new double[spectra.size()];
      boolean[] flagged = new boolean[scores.length];
      for (int i = 0; i < scores.length; i++) {
        scores[i] = logits.get(2L * i + 1) - logits.get(2L * i);
        flagged[i] = scores[i] > 0;
      }
      return new Detection(scores, flagged);
    }
  }

  private static Dataset lessons(Dataset trusted, long seed) {
    List<float[]> spectra = new ArrayList<>();
    int[] labels = new int[Math.toIntExact(2 * trusted.size())];
    for (int i = 0; i < trusted.size(); i++) {
      float[] pixels = HeldImages.pixels(trusted, i);
      spectra.add(spectrum(pixels, trusted.image()));
      spectra.add(spectrum(mark(pixels, trusted.image(), new Draws(seed, i)), trusted.image()));
      labels[2 * i + 1] = 1;
    }
    return new HeldImages("lessons", trusted.image(), CLASSES, spectra, labels);
  }

  /** One of four marks. */
  private static float[] mark(float[] pixels, ImageShape shape, Draws draws) {
    float[] out = pixels.clone();
    int kind = draws.below(4);
    int side = 2 + draws.below(Math.max(1, Math.min(shape.height(), shape.width()) / 6));
    int top = draws.below(Math.max(1, shape.height() - side + 1));
    int left = draws.below(Math.max(1, shape.width() - side + 1));
    double colour = kind == 0 ? 1 : draws.uniform(0, 1);
    double slope = draws.uniform(-1, 1);
    for (int at = 0; at < out.length; at++) {
      int y = at / shape.channels() / shape.width();
      int x = at / shape.channels() % shape.width();
      boolean inside = y >= top && y < top + side && x >= left && x < left + side;
      double value =
          switch (kind) {
            case 0, 1 -> inside ? colour : out[at];
            case 2 -> out[at] + draws.uniform(-0.2, 0.2);
            default -> y - top > slope * (x - left) ? 0.5 * out[at] : out[at];
          };
      out[at] = (float) Math.clamp(value, 0, 1);
    }
    return out;
  }

  /** ln(1 + |DCT-II|) of every channel, orthonormal. */
  static float[] spectrum(float[] pixels, ImageShape shape) {
    int height = shape.height();
    int width = shape.width();
    int channels = shape.channels();
    double[][] rows = cosines(height);
    double[][] columns = width == height ? rows : cosines(width);
    float[] out = new float[pixels.length];
    double[] half = new double[height * width];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < height; y++) {
        for (int v = 0; v < width; v++) {
          double sum = 0;
          for (int x = 0; x < width; x++) {
            sum += columns[v][x] * pixels[(y * width + x) * channels + c];
          }
          half[y * width + v] = sum;
        }
      }
      for (int u = 0; u < height; u++) {
        for (int v = 0; v < width; v++) {
          double sum = 0;
          for (int y = 0; y < height; y++) {
            sum += rows[u][y] * half[y * width + v];
          }
          out[(u * width + v) * channels + c] = (float) Math.log1p(Math.abs(sum));
        }
      }
    }
    return out;
  }

  private static double[][] cosines(int n) {
    double[][] cosines = new double[n][n];
    for (int k = 0; k < n; k++) {
      for (int i = 0; i < n; i++) {
        cosines[k][i] = Math.sqrt((k == 0 ? 1.0 : 2.0) / n) * Math.cos(Math.PI * (i + 0.5) * k / n);
      }
    }
    return cosines;
  }
}
