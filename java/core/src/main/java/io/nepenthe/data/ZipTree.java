package io.nepenthe.data;

import java.nio.file.Path;
import java.util.function.Predicate;

/** The files in a zip. */
record ZipTree(Path file, Limits limits) implements FileTree {
  @Override
  public void forEach(Predicate<String> wanted, Visitor visitor) {
    try (ZipReader zip = ZipReader.open(file, limits)) {
      for (ZipReader.Entry entry : zip.entries()) {
        String path = FileTree.checkedPath(file.toString(), entry.name());
        if (!entry.name().endsWith("/") && wanted.test(path)) {
          try (Input in = zip.read(entry)) {
            visitor.visit(in.where(), path, in.rest(limits.entryBytes(), "the file"));
          }
        }
      }
    }
  }
}
