package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Subset;

/**
 * The images of one seed, in three parts that share none.
 *
 * @param training what the model is trained on
 * @param trusted clean held-out images that a method may use
 * @param test what only the judge sees
 */
record Source(Dataset training, Dataset trusted, Dataset test) {
  static final int TRUSTED = 1_000;
  static final int TEST = 2_000;

  /** Digits drawn by the seed. */
  static Source glyphs(long seed, int images) {
    Dataset pool = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, images + TRUSTED, seed);
    return new Source(
        Subset.range(pool, 0, images - 1),
        Subset.range(pool, images, images + TRUSTED - 1),
        Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, TEST, seed));
  }

  /**
   * A part of a set whose order tells nothing: of 60,000 images another one for every seed from −2
   * to 10, and of 10,000 test images for every seed from 1 to 5. They use up the test images: 6 to
   * 10 are judged on the same parts, and the seeds below 1, which choose settings, on training
   * images that no seed trains on.
   */
  static Source part(Dataset pool, Dataset test, long seed, int images) {
    long each = images + TRUSTED;
    long first = (seed >= 0 ? seed : 10 - seed) * each;
    Dataset judge = seed > 0 ? test : pool;
    long judged = seed > 0 ? (seed - 1) * TEST % test.size() : pool.size() - (1 - seed) * TEST;
    return new Source(
        Subset.range(pool, first, first + images - 1),
        Subset.range(pool, first + images, first + each - 1),
        Subset.range(judge, judged, judged + TEST - 1));
  }
}
