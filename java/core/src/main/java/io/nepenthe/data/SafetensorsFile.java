package io.nepenthe.data;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;

/**
 * A safetensors file of which tensors are read one at a time. Opening it checks every claim of the
 * header against the file's length. {@link Safetensors} reads and writes whole files.
 */
public final class SafetensorsFile implements AutoCloseable {
  /** The values begin at a multiple of this, so that a mapped file can be used where it lies. */
  private static final int ALIGNMENT = 64;

  private static final int CHUNK = 1 << 20;

  private final String where;
  private final FileChannel channel;
  private final long start;
  private final Map<String, String> metadata;
  private final SequencedMap<String, SafetensorsHeader.Entry> entries = new LinkedHashMap<>();

  private SafetensorsFile(String where, FileChannel channel, long start, SafetensorsHeader header) {
    this.where = where;
    this.channel = channel;
    this.start = start;
    this.metadata = Collections.unmodifiableMap(new LinkedHashMap<>(header.metadata()));
    header.entries().forEach(entry -> entries.put(entry.name(), entry));
  }

  /**
   * Opens a file.
   *
   * @throws DataException if it cannot be read or is damaged
   */
  public static SafetensorsFile open(Path file) {
    String where = file.toString();
    try {
      long length = Input.length(file);
      FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
      try {
        return open(where, channel, length);
      } catch (IOException | RuntimeException e) {
        channel.close();
        throw e;
      }
    } catch (IOException e) {
      throw DataException.io(where, "a readable file", e);
    }
  }

  /** Of an open file, which is closed with this. */
  static SafetensorsFile open(String where, FileChannel channel, long length) throws IOException {
    ByteBuffer size = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    fill(where, channel, 0, size, "the length of a safetensors header");
    long headerLength = size.getLong(0);
    long most = Math.min(SafetensorsHeader.MOST_BYTES, length - Long.BYTES);
    if (headerLength < 2 || headerLength > most) {
      throw new DataException(
          where,
          "a safetensors header of 2 to " + most + " bytes",
          Long.toUnsignedString(headerLength));
    }
    ByteBuffer json = ByteBuffer.allocate((int) headerLength);
    fill(where, channel, Long.BYTES, json, "a safetensors header");
    long start = Long.BYTES + headerLength;
    return new SafetensorsFile(
        where, channel, start, SafetensorsHeader.parse(where, json.array(), length - start));
  }

  /**
   * Writes tensors in the map's order, and the metadata sorted by name: equal contents give equal
   * bytes. The file is there whole or not at all; what was there before is replaced.
   *
   * @throws DataException if the file cannot be written
   * @throws IllegalArgumentException if a name cannot stand in such a file
   */
  public static void write(
      Path file, Map<String, String> metadata, SequencedMap<String, SafetensorsPart> parts) {
    ByteBuffer head = head(metadata, parts);
    AtomicFile.write(
        file,
        out -> {
          out.write(head.array());
          byte[] chunk = new byte[CHUNK];
          for (SafetensorsPart part : parts.values()) {
            try (Arena arena = Arena.ofConfined()) {
              MemorySegment values = part.values().apply(arena);
              for (long at = 0; at < values.byteSize(); at += CHUNK) {
                int next = (int) Math.min(CHUNK, values.byteSize() - at);
                MemorySegment.copy(values, at, MemorySegment.ofArray(chunk), 0, next);
                out.write(chunk, 0, next);
              }
            }
          }
        });
  }

  /** What stands before the values: as long for other texts of the same lengths. */
  static ByteBuffer head(
      Map<String, String> metadata, SequencedMap<String, SafetensorsPart> parts) {
    byte[] json = SafetensorsHeader.json(metadata, parts);
    int padded = Math.ceilDiv(Long.BYTES + json.length, ALIGNMENT) * ALIGNMENT - Long.BYTES;
    ByteBuffer head = ByteBuffer.allocate(Long.BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
    head.putLong(padded).put(json);
    while (head.hasRemaining()) {
      head.put((byte) ' ');
    }
    return head.flip();
  }

  /** Texts by name. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** The tensors' names, in the order of the header. */
  public List<String> names() {
    return List.copyOf(entries.keySet());
  }

  /** Whether there is a tensor of that name. */
  public boolean has(String name) {
    return entries.containsKey(name);
  }

  /** The type of a tensor's values. */
  public SafetensorsType type(String name) {
    return entry(name).type();
  }

  /** The sizes of a tensor. */
  public Shape shape(String name) {
    return entry(name).shape();
  }

  private SafetensorsHeader.Entry entry(String name) {
    SafetensorsHeader.Entry entry = entries.get(name);
    if (entry == null) {
      throw new DataException(where, "a tensor named " + DataException.quote(name), "none");
    }
    return entry;
  }

  /**
   * Refuses a tensor of another type.
   *
   * @throws DataException if there is no such tensor, or its values are of another type
   */
  void type(String name, SafetensorsType wanted) {
    SafetensorsType found = entry(name).type();
    if (found != wanted) {
      throw new DataException(
          where + ": tensor " + DataException.quote(name),
          "values of type " + wanted,
          "type \"" + found + "\"");
    }
  }

  /**
   * Reads a float32 tensor into {@code arena}.
   *
   * @throws DataException if there is none of that name and type, or it cannot be read
   */
  public Tensor tensor(String name, Arena arena) {
    type(name, SafetensorsType.F32);
    Shape shape = shape(name);
    return Tensor.of(values(name, arena), shape);
  }

  /**
   * Reads a float64 tensor of a known shape into {@code arena}: sums, of which none is NaN or
   * infinite.
   *
   * @throws DataException if there is none of that name, type and shape, it cannot be read, or a
   *     value is not finite
   */
  public MemorySegment doubles(String name, Shape shape, Arena arena) {
    type(name, SafetensorsType.F64);
    require(name, shape);
    MemorySegment values = values(name, arena);
    for (long i = 0; i < shape.elements(); i++) {
      double value = values.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
      if (!Double.isFinite(value)) {
        throw new DataException(
            where + ": tensor " + DataException.quote(name),
            "finite values",
            value + " at position " + i);
      }
    }
    return values;
  }

  /**
   * Reads a float32 tensor of a known shape into {@code arena}.
   *
   * @throws DataException if there is none of that name, type and shape, or it cannot be read
   */
  public Tensor tensor(String name, Shape shape, Arena arena) {
    require(name, shape);
    return tensor(name, arena);
  }

  private void require(String name, Shape wanted) {
    if (!shape(name).equals(wanted)) {
      throw new DataException(
          where + ": tensor " + DataException.quote(name), "shape " + wanted, "" + shape(name));
    }
  }

  /**
   * Reads a tensor of whole numbers.
   *
   * @throws DataException if there is none of that name, type and length, or it cannot be read
   */
  public long[] integers(String name, int count) {
    type(name, SafetensorsType.I64);
    require(name, Shape.of(count));
    try (Arena arena = Arena.ofConfined()) {
      return values(name, arena).toArray(ValueLayout.JAVA_LONG);
    }
  }

  /**
   * Reads a tensor's bytes, little-endian, into {@code arena}.
   *
   * @throws DataException if there is none of that name, it cannot be read, or there is no room
   */
  public MemorySegment values(String name, Arena arena) {
    SafetensorsHeader.Entry entry = entry(name);
    MemorySegment values;
    try {
      values = arena.allocate(entry.bytes(), Tensor.ALIGNMENT);
    } catch (OutOfMemoryError e) {
      throw new DataException(
          where,
          "enough memory for " + entry.bytes() + " bytes",
          "none left (-XX:MaxDirectMemorySize sets the limit)",
          e);
    }
    fill(entry, 0, values);
    return values;
  }

  /**
   * Reads some of a float32 tensor's values.
   *
   * @param from the flat index of the first
   * @throws DataException if there is none of that name and type, or it cannot be read
   * @throws IndexOutOfBoundsException if it has not so many
   */
  public void read(String name, long from, Tensor into) {
    type(name, SafetensorsType.F32);
    Objects.checkFromIndexSize(from, into.elements(), shape(name).elements());
    fill(entry(name), from * Float.BYTES, into.segment());
  }

  private void fill(SafetensorsHeader.Entry entry, long from, MemorySegment values) {
    String what = "the values of tensor " + DataException.quote(entry.name());
    try {
      for (long at = 0; at < values.byteSize(); at += CHUNK) {
        long next = Math.min(CHUNK, values.byteSize() - at);
        ByteBuffer buffer = values.asSlice(at, next).asByteBuffer();
        fill(where, channel, start + entry.begin() + from + at, buffer, what);
      }
    } catch (IOException e) {
      throw DataException.io(where, "a readable file", e);
    }
  }

  /**
   * Compares all values with the checksums that {@link SafetensorsDraft} left with them.
   *
   * @throws DataException if they differ, or there are none
   */
  public void verify() {
    Checksums sums = new Checksums(entries.size());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment room = arena.allocate(CHUNK);
      int tensor = 0;
      for (SafetensorsHeader.Entry entry : entries.values()) {
        for (long at = 0; at < entry.bytes(); at += CHUNK) {
          MemorySegment some = room.asSlice(0, Math.min(CHUNK, entry.bytes() - at));
          fill(entry, at, some);
          sums.add(tensor, some);
        }
        tensor++;
      }
    }
    String found = metadata.getOrDefault(Checksums.KEY, "none");
    if (!found.equals(sums.toString())) {
      throw new DataException(
          where,
          "values with the checksums " + found + " of its metadata",
          sums + ": it is damaged; delete it");
    }
  }

  private static void fill(
      String where, FileChannel channel, long position, ByteBuffer buffer, String what)
      throws IOException {
    long at = position;
    while (buffer.hasRemaining()) {
      int read = channel.read(buffer, at);
      if (read < 0) {
        throw new DataException(where, what, "the end after " + at + " bytes");
      }
      at += read;
    }
  }

  /** The file's name. */
  @Override
  public String toString() {
    return where;
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
