package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The images there are: drawn ones, and those in a folder with {@code mnist} and {@code cifar10}.
 */
final class Sources {
  /** Training and test images of a set that is read, each read once. */
  private record Whole(Dataset training, Dataset test) {}

  private final Optional<Path> folder;
  private final Map<Data, Whole> read = new EnumMap<>(Data.class);

  Sources(Optional<Path> folder) {
    this.folder = folder;
  }

  /** Of what there are images. */
  List<Data> data() {
    return Stream.of(Data.values())
        .filter(data -> data == Data.GLYPHS || folder(data).filter(Files::isDirectory).isPresent())
        .toList();
  }

  private Optional<Path> folder(Data data) {
    return folder.map(it -> it.resolve(data.title()));
  }

  /** The images of a seed. */
  Source of(Data data, long seed, int images) {
    if (data == Data.GLYPHS) {
      return Source.glyphs(seed, images);
    }
    Whole whole = read.computeIfAbsent(data, _ -> read(data));
    return Source.part(whole.training, whole.test, seed, images);
  }

  private Whole read(Data data) {
    Path place = folder(data).orElseThrow();
    if (data == Data.MNIST) {
      return new Whole(
          DataSource.open("idx:" + place.resolve("train-images-idx3-ubyte.gz"), 0),
          DataSource.open("idx:" + place.resolve("t10k-images-idx3-ubyte.gz"), 0));
    }
    Path pictures = place.resolve("cifar10-images.tar.gz");
    String form = Files.exists(pictures) ? "images:" + pictures + "!/" : "cifar10:" + place + "/";
    // Pictures come class by class.
    return new Whole(
        Datasets.shuffled(DataSource.open(form + "train", 0), 0),
        Datasets.shuffled(DataSource.open(form + "test", 0), 0));
  }
}
