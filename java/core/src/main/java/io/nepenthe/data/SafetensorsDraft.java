package io.nepenthe.data;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * A safetensors file of float32 tensors whose values come a few at a time, each tensor's in order.
 * The file is there whole, with checksums in its metadata, or not at all. It is not flushed to the
 * disk: the checksums tell whether a fall of the machine has damaged it.
 */
public final class SafetensorsDraft implements AutoCloseable {
  /** One write; a buffer has less than 2 GiB. */
  private static final long MOST = 1 << 30;

  private final Path file;
  private final boolean named;
  private final AtomicFile.Unfinished unfinished;
  private final SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
  private final Map<String, Cursor> cursors = new LinkedHashMap<>();
  private final Map<String, String> metadata;
  private final Checksums checksums;
  private boolean handedOver;

  /** Where a tensor's next values go. */
  private static final class Cursor {
    private final int number;
    private final long end;
    private long at;

    Cursor(int number, long at, long end) {
      this.number = number;
      this.at = at;
      this.end = end;
    }
  }

  private SafetensorsDraft(
      Path file, boolean named, Map<String, String> metadata, SequencedMap<String, Shape> tensors)
      throws IOException {
    this.file = file.toAbsolutePath();
    this.named = named;
    this.metadata = new TreeMap<>(metadata);
    this.checksums = new Checksums(tensors.size());
    tensors.forEach(
        (name, shape) ->
            parts.put(
                name,
                // Only its size is used: the values are written when they come.
                new SafetensorsPart(
                    SafetensorsType.F32, shape, arena -> arena.allocate(shape.bytes()))));
    long at = head().remaining();
    for (Map.Entry<String, Shape> tensor : tensors.entrySet()) {
      long end = at + tensor.getValue().bytes();
      cursors.put(tensor.getKey(), new Cursor(cursors.size(), at, end));
      at = end;
    }
    this.unfinished = AtomicFile.Unfinished.begin(this.file);
  }

  /**
   * A file that {@link #finish} puts in its place.
   *
   * @param file its place; what was there is replaced
   * @throws DataException if it cannot be written
   */
  public static SafetensorsDraft of(
      Path file, Map<String, String> metadata, SequencedMap<String, Shape> tensors) {
    try {
      return new SafetensorsDraft(file, true, metadata, tensors);
    } catch (IOException e) {
      throw DataException.io(file.toString(), "a file that can be written", e);
    }
  }

  /**
   * A file without a name, which is gone when it is closed or the process ends.
   *
   * @param folder on whose disk
   * @throws DataException if it cannot be written
   */
  public static SafetensorsDraft unnamed(
      Path folder, Map<String, String> metadata, SequencedMap<String, Shape> tensors) {
    try {
      SafetensorsDraft draft =
          new SafetensorsDraft(folder.resolve("unnamed"), false, metadata, tensors);
      draft.unfinished.unname();
      return draft;
    } catch (IOException e) {
      throw DataException.io(folder.toString(), "a folder that can be written", e);
    }
  }

  private ByteBuffer head() {
    Map<String, String> all = new TreeMap<>(metadata);
    all.put(Checksums.KEY, checksums.toString());
    return SafetensorsFile.head(all, parts);
  }

  /**
   * Writes the next values of a tensor.
   *
   * @throws DataException if they cannot be written, for instance because the disk is full
   * @throws IllegalArgumentException if there is no such tensor, or it has not so many
   */
  public void append(String name, Tensor values) {
    Cursor cursor = cursors.get(name);
    MemorySegment bytes = values.segment();
    if (cursor == null || bytes.byteSize() > cursor.end - cursor.at) {
      throw new IllegalArgumentException(
          name
              + " takes "
              + (cursor == null ? 0 : cursor.end - cursor.at)
              + " bytes more, found "
              + bytes.byteSize());
    }
    for (long at = 0; at < bytes.byteSize(); at += MOST) {
      MemorySegment some = bytes.asSlice(at, Math.min(MOST, bytes.byteSize() - at));
      checksums.add(cursor.number, some);
      write(some.asByteBuffer(), cursor.at);
      cursor.at += some.byteSize();
    }
  }

  private void write(ByteBuffer bytes, long position) {
    FileChannel channel = unfinished.channel();
    long at = position;
    try {
      while (bytes.hasRemaining()) {
        at += channel.write(bytes, at);
      }
    } catch (IOException e) {
      throw DataException.io(file.toString(), "a file that can be written", e);
    }
  }

  /**
   * Completes the file.
   *
   * @return the file, open; closing it deletes one that has no name
   * @throws IllegalStateException if values are missing
   * @throws DataException if it cannot be written
   */
  public SafetensorsFile finish() {
    ByteBuffer head = head();
    long length = head.remaining();
    for (Cursor cursor : cursors.values()) {
      if (cursor.at < cursor.end) {
        throw new IllegalStateException((cursor.end - cursor.at) + " bytes are missing");
      }
      length = cursor.end;
    }
    write(head, 0);
    try {
      if (!named) {
        handedOver = true;
        return SafetensorsFile.open(file.toString(), unfinished.channel(), length);
      }
      unfinished.finish();
    } catch (IOException e) {
      throw DataException.io(file.toString(), "a file that can be written", e);
    }
    close();
    return SafetensorsFile.open(file);
  }

  /** Deletes the file unless it was finished. */
  @Override
  public void close() {
    try {
      if (!handedOver) {
        unfinished.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
