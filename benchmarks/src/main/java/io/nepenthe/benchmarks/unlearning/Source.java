package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Subset;
import java.nio.file.Path;

/**
 * The images of one seed, in three parts that share none.
 *
 * @param training what the model is trained on
 * @param trusted clean held-out images that a method may use
 * @param test what only the judge sees
 */
record Source(Dataset training, Dataset trusted, Dataset test) {
  static final int TRAIN = 2_000;
  static final int TRUSTED = 1_000;
  static final int TEST = 2_000;

  /** Digits drawn by the seed. */
  static Source glyphs(long seed) {
    Dataset pool = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, TRAIN + TRUSTED, seed);
    return new Source(
        Subset.range(pool, 0, TRAIN - 1),
        Subset.range(pool, TRAIN, TRAIN + TRUSTED - 1),
        Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, TEST, seed));
  }

  /**
   * MNIST: another part of the training images and of the test images for every seed from 1 to 5.
   * They use up the test images; seed 0 is judged on training images that no seed trains on.
   */
  static Source mnist(Path folder, long seed) {
    Dataset pool = DataSource.open("idx:" + folder.resolve("train-images-idx3-ubyte.gz"), 0);
    Dataset test = DataSource.open("idx:" + folder.resolve("t10k-images-idx3-ubyte.gz"), 0);
    long each = TRAIN + TRUSTED;
    long first = seed * each;
    long judged = (seed - 1) * TEST;
    return new Source(
        Subset.range(pool, first, first + TRAIN - 1),
        Subset.range(pool, first + TRAIN, first + each - 1),
        seed == 0
            ? Subset.range(pool, pool.size() - TEST, pool.size() - 1)
            : Subset.range(test, judged, judged + TEST - 1));
  }
}
