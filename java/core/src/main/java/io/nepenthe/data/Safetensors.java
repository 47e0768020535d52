package io.nepenthe.data;

import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Named float32 tensors in one file of the safetensors format: statistics, scores, masks and
 * factors. A file is eight bytes with the header's length, a JSON header with every tensor's type,
 * shape and place, and the values, little-endian, one tensor after the other without gaps. Nothing
 * in it can run code. (Source: the format description of the safetensors project.)
 */
public final class Safetensors {
  /** The values begin at a multiple of this, so that a mapped file can be used where it lies. */
  private static final int ALIGNMENT = 64;

  private static final int CHUNK = 1 << 20;

  private Safetensors() {}

  /**
   * What a file holds.
   *
   * @param metadata texts by name
   * @param tensors values by name, in the order of the file's header
   */
  public record Contents(Map<String, String> metadata, SequencedMap<String, Tensor> tensors) {
    /** Keeps copies of the maps. */
    public Contents {
      metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
      tensors = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tensors));
    }

    /**
     * The tensor of that name.
     *
     * @throws IllegalArgumentException if there is none
     */
    public Tensor tensor(String name) {
      Tensor tensor = tensors.get(name);
      if (tensor == null) {
        throw new IllegalArgumentException("no tensor is named " + DataException.quote(name));
      }
      return tensor;
    }
  }

  /**
   * Writes tensors in the map's order, and the metadata sorted by name: equal contents give equal
   * bytes. The file is there whole or not at all; what was there before is replaced.
   *
   * @throws DataException if the file cannot be written
   * @throws IllegalArgumentException if a name cannot stand in such a file
   */
  public static void write(
      Path file, Map<String, String> metadata, SequencedMap<String, Tensor> tensors) {
    byte[] json = SafetensorsHeader.json(metadata, tensors);
    int padded = Math.ceilDiv(Long.BYTES + json.length, ALIGNMENT) * ALIGNMENT - Long.BYTES;
    ByteBuffer head = ByteBuffer.allocate(Long.BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
    head.putLong(padded).put(json);
    while (head.hasRemaining()) {
      head.put((byte) ' ');
    }
    AtomicFile.write(
        file,
        out -> {
          out.write(head.array());
          byte[] chunk = new byte[CHUNK];
          for (Tensor tensor : tensors.values()) {
            MemorySegment values = tensor.segment();
            for (long at = 0; at < values.byteSize(); at += CHUNK) {
              int next = (int) Math.min(CHUNK, values.byteSize() - at);
              MemorySegment.copy(values, at, MemorySegment.ofArray(chunk), 0, next);
              out.write(chunk, 0, next);
            }
          }
        });
  }

  /**
   * Reads a whole file into {@code arena}. Every claim of the header is checked against the file's
   * length before memory is taken for it.
   *
   * @throws DataException if the file cannot be read, is damaged, or holds another type than
   *     float32
   */
  public static Contents read(Path file, Arena arena) {
    String where = file.toString();
    try {
      long length = Input.length(file);
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        return read(where, channel, length, arena);
      }
    } catch (IOException e) {
      throw DataException.io(where, "a readable file", e);
    }
  }

  private static Contents read(String where, FileChannel channel, long length, Arena arena)
      throws IOException {
    ByteBuffer size = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    fill(where, channel, size, "the length of a safetensors header");
    long headerLength = size.getLong(0);
    long most = Math.min(SafetensorsHeader.MOST_BYTES, length - Long.BYTES);
    if (headerLength < 2 || headerLength > most) {
      throw new DataException(
          where,
          "a safetensors header of 2 to " + most + " bytes",
          Long.toUnsignedString(headerLength));
    }
    ByteBuffer json = ByteBuffer.allocate((int) headerLength);
    fill(where, channel, json, "a safetensors header");
    SafetensorsHeader header =
        SafetensorsHeader.parse(where, json.array(), length - Long.BYTES - headerLength);
    Map<String, Tensor> values = new LinkedHashMap<>();
    for (SafetensorsHeader.Entry entry : header.byOffset()) {
      values.put(entry.name(), read(where, channel, entry, arena));
    }
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    header.entries().forEach(e -> tensors.put(e.name(), values.get(e.name())));
    return new Contents(header.metadata(), tensors);
  }

  private static Tensor read(
      String where, FileChannel channel, SafetensorsHeader.Entry entry, Arena arena)
      throws IOException {
    Tensor tensor;
    try {
      tensor = Tensor.zeros(arena, entry.shape());
    } catch (OutOfMemoryError e) {
      throw new DataException(
          where,
          "enough memory for " + entry.shape().bytes() + " bytes",
          "none left (-XX:MaxDirectMemorySize sets the limit)",
          e);
    }
    MemorySegment values = tensor.segment();
    for (long at = 0; at < values.byteSize(); at += CHUNK) {
      long next = Math.min(CHUNK, values.byteSize() - at);
      String what = "the values of tensor " + DataException.quote(entry.name());
      fill(where, channel, values.asSlice(at, next).asByteBuffer(), what);
    }
    return tensor;
  }

  private static void fill(String where, FileChannel channel, ByteBuffer buffer, String what)
      throws IOException {
    while (buffer.hasRemaining()) {
      if (channel.read(buffer) < 0) {
        throw new DataException(where, what, "the end after " + channel.position() + " bytes");
      }
    }
  }
}
