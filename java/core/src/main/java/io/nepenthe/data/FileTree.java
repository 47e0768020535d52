package io.nepenthe.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Predicate;

/**
 * The files below one place: a folder, a zip or a tar, perhaps compressed. Nothing is ever unpacked
 * to the disk. In an archive a name that leads out of it, a link and a device are refused; a folder
 * is its owner's, and its links are followed.
 */
interface FileTree {
  /** Receives a file. */
  interface Visitor {
    /**
     * One file.
     *
     * @param where the place and the file in it, for messages
     * @param path names joined by /, relative to the place
     * @param bytes the whole contents
     */
    void visit(String where, String path, byte[] bytes);
  }

  /**
   * Reads every wanted file once, in whatever order the place has them.
   *
   * @param wanted says which paths to read
   * @param visitor receives them
   */
  void forEach(Predicate<String> wanted, Visitor visitor);

  /** Opens a place by what it is, not by how it is called. */
  static FileTree open(Path place, Limits limits) {
    if (Files.isDirectory(place)) {
      return new FolderTree(place, limits);
    }
    try {
      Input.length(place);
      try (InputStream in = Files.newInputStream(place)) {
        byte[] first = in.readNBytes(4);
        boolean zip =
            Input.startsWith(first, 'P', 'K', 3, 4) || Input.startsWith(first, 'P', 'K', 5, 6);
        return zip ? new ZipTree(place, limits) : new TarTree(place, limits);
      }
    } catch (IOException e) {
      throw DataException.io(place.toString(), "a folder or an archive", e);
    }
  }

  /** A path as an archive gives it, without "./" before and "/" after, if it stays inside. */
  static String checkedPath(String where, String name) {
    String path = name;
    while (path.startsWith("./")) {
      path = path.substring(2);
    }
    while (path.endsWith("/")) {
      path = path.substring(0, path.length() - 1);
    }
    boolean absolute = name.startsWith("/") || name.matches("[A-Za-z]:.*");
    boolean odd = path.indexOf('\\') >= 0 || path.indexOf('\0') >= 0;
    boolean escapes = ("/" + path + "/").contains("/../");
    if (absolute || odd || escapes) {
      throw new DataException(
          where, "names relative to the archive, without \"..\"", DataException.quote(name));
    }
    return path;
  }
}
