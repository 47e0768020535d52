package io.nepenthe.data;

import java.io.IOException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The files below a folder. Links are followed, to files and to folders, wherever they lead: large
 * collections are often laid out by them. One that leads back to a folder above it has no end and
 * is refused, and so is one to nothing where a file is wanted.
 */
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

  /** The folder itself, should {@code root} be a link to it. */
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
          Set.of(FileVisitOption.FOLLOW_LINKS),
          Integer.MAX_VALUE,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
              if (wanted.test(path(real, file))) {
                // Of one that was followed these would be the attributes of what it leads to.
                if (attributes.isSymbolicLink()) {
                  throw new DataException(file.toString(), "a file", "a link to nothing");
                }
                files.add(file);
                if (files.size() > limits.entries()) {
                  throw new DataException(
                      root.toString(), "at most " + limits.entries() + " files", "more");
                }
              }
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException reason) {
              if (reason instanceof FileSystemLoopException) {
                throw new DataException(
                    file.toString(), "files and folders", "a link to a folder above it: no end");
              }
              throw DataException.io(file.toString(), "a readable file or folder", reason);
            }
          });
    } catch (IOException e) {
      throw DataException.io(root.toString(), "a readable folder", e);
    }
    return files;
  }
}
