package io.nepenthe.benchmarks.influence;

import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Subset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The images of one seed, in three parts that share none.
 *
 * @param training what the model is trained on
 * @param trusted clean held-out images that an unlearning method may use
 * @param test what only the judge sees
 */
record Images(Dataset training, Dataset trusted, Dataset test) {
  static final int TRUSTED = 1_000;
  private static final int TEST = 9_000;

  /** The sets there are: MNIST where the environment variable NEPENTHE_DATA has it. */
  static List<String> names() {
    List<String> names = new ArrayList<>(List.of("glyphs"));
    if (mnist() != null) {
      names.add("mnist");
    }
    return names;
  }

  private static Path mnist() {
    String folder = System.getenv("NEPENTHE_DATA");
    return folder != null && Files.isDirectory(Path.of(folder, "mnist"))
        ? Path.of(folder, "mnist")
        : null;
  }

  /**
   * Glyphs drawn by the seed, or a part of MNIST: six seeds of 10,000 images share none, the
   * seventh begins anew.
   */
  static Images of(String name, int size, long seed) {
    if (name.equals("glyphs")) {
      Dataset pool = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, size + TRUSTED, seed);
      return new Images(
          Subset.range(pool, 0, size - 1),
          Subset.range(pool, size, size + TRUSTED - 1),
          Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, TEST, seed));
    }
    Dataset pool = DataSource.open("idx:" + mnist().resolve("train-images-idx3-ubyte.gz"), 0);
    Dataset test = DataSource.open("idx:" + mnist().resolve("t10k-images-idx3-ubyte.gz"), 0);
    long first = (seed - 1) * size % (pool.size() - size + 1);
    return new Images(
        Subset.range(pool, first, first + size - 1),
        Subset.range(test, TEST, TEST + TRUSTED - 1),
        Subset.range(test, 0, TEST - 1));
  }
}
