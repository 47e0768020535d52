package io.nepenthe.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Where the sources lie, for tests that compare them with each other. */
final class Repository {
  private Repository() {}

  /** The file or folder of that name, from the repository's root. */
  static Path path(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.exists(root.resolve("native/include/nepenthe.h"))) {
      root = root.getParent();
      if (root == null) {
        throw new IllegalStateException("no native/include/nepenthe.h above the working directory");
      }
    }
    return root.resolve(name);
  }

  static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The files of that folder with that suffix, without it, in order. */
  static List<String> stems(String folder, String suffix) {
    try (Stream<Path> files = Files.list(path(folder))) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(suffix))
          .map(name -> name.substring(0, name.length() - suffix.length()))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Every class of this package that is not a test, nested ones included, initialised. */
  static List<Class<?>> kernelClasses() {
    List<Class<?>> classes = new ArrayList<>();
    for (String stem : stems("java/core/target/classes/io/nepenthe/kernel", ".class")) {
      if (!stem.equals("package-info")) {
        try {
          classes.add(Class.forName("io.nepenthe.kernel." + stem));
        } catch (ClassNotFoundException e) {
          throw new IllegalStateException(e);
        }
      }
    }
    return classes;
  }
}
