package io.nepenthe.data;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** The files below a folder. */
record FolderTree(Path root, Limits limits) implements FileTree {
  @Override
  public void forEach(Predicate<String> wanted, Visitor visitor) {
    long total = 0;
    Path real = real();
    for (Path file : files(real, wanted)) {
      try {
        long length = Input.length(file);
        total += length;
        if (length > limits.entryBytes() || total > limits.totalBytes()) {
          throw new DataException(
              file.toString(), "a file of at most " + limits.entryBytes() + " bytes", "" + length);
        }
        visitor.visit(file.toString(), path(real, file), Files.readAllBytes(file));
      } catch (IOException e) {
        throw DataException.io(file.toString(), "a readable file", e);
      }
    }
  }

  /** The folder itself, should {@code root} be a link to it: only links below are refused. */
  private Path real() {
    try {
      return root.toRealPath();
    } catch (IOException e) {
      throw DataException.io(root.toString(), "a folder", e);
    }
  }

  private static String path(Path real, Path file) {
    return real.relativize(file).toString().replace(file.getFileSystem().getSeparator(), "/");
  }

  private List<Path> files(Path real, Predicate<String> wanted) {
    List<Path> files = new ArrayList<>();
    try {
      Files.walkFileTree(
          real,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
              if (attributes.isSymbolicLink()) {
                throw new DataException(
                    file.toString(), "only files and folders below " + root, "a symbolic link");
              }
              if (wanted.test(path(real, file))) {
                files.add(file);
                if (files.size() > limits.entries()) {
                  throw new DataException(
                      root.toString(), "at most " + limits.entries() + " files", "more");
                }
              }
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      throw DataException.io(root.toString(), "a readable folder", e);
    }
    return files;
  }
}
