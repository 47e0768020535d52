package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import java.util.List;
import java.util.Locale;

/** A data set of the tables: its size, what learns it, and how often privacy is measured on it. */
enum Data {
  /** Drawn digits. */
  GLYPHS(2_000, List.of(0L, -1L, -2L), List.of(6L, 7L, 8L, 9L, 10L)),
  /** Handwritten digits. */
  MNIST(2_000, List.of(0L, -1L, -2L), List.of(6L, 7L, 8L, 9L, 10L)),
  /**
   * Photographs, and a residual network: the setting of SalUn's paper, as large as one core allows.
   * Only privacy is measured on it, without the metrics that train further models.
   */
  CIFAR10(2_000, List.of(0L), List.of(1L, 2L, 3L));

  private static final Trainer DIGITS =
      new Trainer(8, 32, Optimiser.adam(2e-3), new Schedule.Cosine(0), new CrossEntropy(), 1);

  /** Until every training image is known, as in the paper. */
  private static final Trainer PHOTOGRAPHS =
      new Trainer(15, 64, Optimiser.adam(3e-3), new Schedule.Cosine(0), new CrossEntropy(), 1);

  private final int images;
  private final List<Long> choosing;
  private final List<Long> shown;

  /**
   * Both lists are of seeds for privacy: those on which strengths are chosen, and those in the
   * tables, which were measured after the rule that chooses was fixed.
   */
  Data(int images, List<Long> choosing, List<Long> shown) {
    this.images = images;
    this.choosing = choosing;
    this.shown = shown;
  }

  /** As the file of results and the pages have it. */
  String title() {
    return name().toLowerCase(Locale.ROOT);
  }

  static Data titled(String title) {
    return valueOf(title.toUpperCase(Locale.ROOT));
  }

  /** Training images where a task does not say otherwise. */
  int images() {
    return images;
  }

  /** The seeds on which privacy strengths are chosen. */
  List<Long> choosing() {
    return choosing;
  }

  /** The seeds in the privacy tables. */
  List<Long> shown() {
    return shown;
  }

  /** Whether metrics that need further training are taken, and corrective tasks. */
  boolean isThorough() {
    return this != CIFAR10;
  }

  /** What learns the images. */
  Network network(Dataset training) {
    ImageShape shape = training.image();
    Extent input = Extent.image(shape.height(), shape.width(), shape.channels());
    return switch (this) {
      case GLYPHS, MNIST -> Architectures.lenet(input, training.classes());
      case CIFAR10 -> Architectures.resnet9(input, training.classes(), 8);
    };
  }

  /** How. */
  Trainer recipe() {
    return switch (this) {
      case GLYPHS, MNIST -> DIGITS;
      case CIFAR10 -> PHOTOGRAPHS;
    };
  }
}
