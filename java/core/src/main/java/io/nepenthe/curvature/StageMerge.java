package io.nepenthe.curvature;

import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.data.SafetensorsType;
import io.nepenthe.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Merges the chunks that partitioned runs left in a folder to the file of the whole stage, which
 * has the same bytes as if one run had done all: sums and counts are added in the chunks' order,
 * scores stand beside each other.
 */
public final class StageMerge {
  private static final Pattern PIECE =
      Pattern.compile("([a-z_]+)\\.([0-9]{2,4})-of-([0-9]{2,4})\\.safetensors");

  private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  private StageMerge() {}

  /**
   * Merges every stage of which there are chunks, and deletes them.
   *
   * @return the files of whole stages
   * @throws DataException if there are none, some are missing, or they are not of one computation
   */
  public static List<Path> all(Path folder, StageListener listener) {
    AtomicFile.deleteAbandoned(folder);
    SequencedMap<String, List<Path>> stages = new LinkedHashMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      files
          .sorted()
          .forEach(
              file -> {
                Matcher name = PIECE.matcher(file.getFileName().toString());
                if (name.matches()) {
                  stages.computeIfAbsent(name.group(1), key -> new ArrayList<>()).add(file);
                }
              });
    } catch (IOException e) {
      throw new DataException(folder.toString(), "a folder that can be listed", "" + e, e);
    }
    if (stages.isEmpty()) {
      throw new DataException(
          folder.toString(), "files of chunks such as covariance.01-of-16.safetensors", "none");
    }
    List<Path> whole = new ArrayList<>();
    stages.forEach(
        (stage, pieces) -> whole.add(merge(new StageFolder(folder), stage, pieces, listener)));
    return whole;
  }

  private static Path merge(
      StageFolder folder, String stage, List<Path> pieces, StageListener listener) {
    Path file = folder.whole(stage);
    requireAll(folder, stage, pieces);
    List<SafetensorsFile> open = new ArrayList<>();
    try {
      pieces.forEach(piece -> open.add(SafetensorsFile.open(piece)));
      Map<String, String> metadata = common(pieces, open);
      if (StageFolder.isThere(file, metadata)) {
        listener.skipped(file);
      } else {
        SafetensorsFile.write(file, metadata, parts(open));
        listener.wrote(file);
      }
    } finally {
      open.forEach(SafetensorsFile::close);
    }
    pieces.forEach(StageFolder::delete);
    return file;
  }

  private static void requireAll(StageFolder folder, String stage, List<Path> pieces) {
    int count = number(pieces.getFirst(), 3);
    List<Integer> missing = new ArrayList<>();
    for (int chunk = 0; chunk < count; chunk++) {
      if (!pieces.contains(folder.piece(stage, chunk, count))) {
        missing.add(chunk + 1);
      }
    }
    for (Path piece : pieces) {
      if (number(piece, 3) != count) {
        throw new DataException(piece.toString(), "one of " + count + " chunks", "another cut");
      }
      int chunk = number(piece, 2);
      // Under another name a chunk would count twice.
      if (chunk < 1 || chunk > count || !piece.equals(folder.piece(stage, chunk - 1, count))) {
        throw new DataException(
            piece.toString(),
            "chunks " + folder.piece(stage, 0, count).getFileName() + " and so on",
            "another name");
      }
    }
    if (!missing.isEmpty()) {
      throw new DataException(
          folder.path().toString(),
          "all " + count + " chunks of " + stage,
          missing.size() + " missing: " + ranges(missing));
    }
  }

  private static int number(Path piece, int group) {
    Matcher name = PIECE.matcher(piece.getFileName().toString());
    if (!name.matches()) {
      throw new IllegalStateException(piece.toString());
    }
    return Integer.parseInt(name.group(group));
  }

  /** Such as "1–3, 7". */
  private static String ranges(List<Integer> numbers) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < numbers.size(); ) {
      int j = i;
      while (j + 1 < numbers.size() && numbers.get(j + 1) == numbers.get(j) + 1) {
        j++;
      }
      text.append(i == 0 ? "" : ", ").append(numbers.get(i));
      text.append(j == i ? "" : "–" + numbers.get(j));
      i = j + 1;
    }
    return text.toString();
  }

  /** The metadata of all, without the chunk's number, which must be the one of the name. */
  private static Map<String, String> common(List<Path> pieces, List<SafetensorsFile> open) {
    Map<String, String> common = new TreeMap<>(open.getFirst().metadata());
    common.remove(ChunkStage.CHUNK);
    for (int i = 0; i < open.size(); i++) {
      Map<String, String> expected = new TreeMap<>(common);
      expected.put(ChunkStage.CHUNK, number(pieces.get(i), 2) + " of " + number(pieces.get(i), 3));
      StageFolder.require(pieces.get(i), open.get(i).metadata(), expected);
      if (!open.get(i).names().equals(open.getFirst().names())) {
        throw new DataException(
            pieces.get(i).toString(), "the tensors of " + pieces.getFirst(), "others");
      }
    }
    return common;
  }

  private static SequencedMap<String, SafetensorsPart> parts(List<SafetensorsFile> open) {
    SafetensorsFile first = open.getFirst();
    String how = first.metadata().getOrDefault(ChunkStage.MERGE, "none");
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    for (String name : first.names()) {
      parts.put(
          name,
          switch (how) {
            case "sum" -> sum(open, name);
            case "concatenate" -> concatenation(open, name);
            default ->
                throw new DataException(
                    first.toString(), "merge = sum or concatenate in its metadata", how);
          });
    }
    return parts;
  }

  private static SafetensorsPart sum(List<SafetensorsFile> open, String name) {
    SafetensorsType type = open.getFirst().type(name);
    Shape shape = open.getFirst().shape(name);
    for (SafetensorsFile file : open) {
      if (file.type(name) != type || !file.shape(name).equals(shape)) {
        throw new DataException(
            file.toString(), name + " as " + type + " " + shape, "another type or shape");
      }
    }
    return new SafetensorsPart(
        type,
        shape,
        arena -> {
          MemorySegment sum = arena.allocate(type.bytes(shape), Long.BYTES);
          for (SafetensorsFile file : open) {
            try (Arena scratch = Arena.ofConfined()) {
              add(sum, file.values(name, scratch), type, file);
            }
          }
          return sum;
        });
  }

  private static void add(
      MemorySegment sum, MemorySegment more, SafetensorsType type, SafetensorsFile file) {
    for (long i = 0; i < sum.byteSize() / Long.BYTES; i++) {
      switch (type) {
        case F64 ->
            sum.setAtIndex(DOUBLE, i, sum.getAtIndex(DOUBLE, i) + more.getAtIndex(DOUBLE, i));
        case I64 -> sum.setAtIndex(LONG, i, sum.getAtIndex(LONG, i) + more.getAtIndex(LONG, i));
        case F32 -> throw new DataException(file.toString(), "sums in F64 or I64", "F32");
      }
    }
  }

  /** Matrices of as many rows, beside each other. */
  private static SafetensorsPart concatenation(List<SafetensorsFile> open, String name) {
    Shape first = open.getFirst().shape(name);
    long rows = first.rank() == 2 ? first.size(0) : 0;
    long columns = 0;
    for (SafetensorsFile file : open) {
      Shape shape = file.shape(name);
      if (file.type(name) != SafetensorsType.F32
          || shape.rank() != 2
          || shape.size(0) != rows
          || rows == 0) {
        throw new DataException(
            file.toString(),
            name + " as F32, as many rows as in " + open.getFirst(),
            file.type(name) + " " + shape);
      }
      columns += shape.size(1);
    }
    long width = columns * Float.BYTES;
    return new SafetensorsPart(
        SafetensorsType.F32,
        Shape.of(rows, columns),
        arena -> {
          MemorySegment all = arena.allocate(rows * width, Float.BYTES);
          long at = 0;
          for (SafetensorsFile file : open) {
            try (Arena scratch = Arena.ofConfined()) {
              MemorySegment part = file.values(name, scratch);
              long own = file.shape(name).size(1) * Float.BYTES;
              for (long row = 0; row < rows; row++) {
                MemorySegment.copy(part, row * own, all, row * width + at, own);
              }
              at += own;
            }
          }
          return all;
        });
  }
}
