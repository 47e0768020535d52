package io.nepenthe.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A zip by its central directory, with zip64 sizes. java.util.zip's reader is not used because it
 * tells no link from a file, checks no checksum, and lets entries overlap, which is how a small zip
 * becomes a huge one. (Source: PKWARE, APPNOTE 6.3.10.)
 */
final class ZipReader implements AutoCloseable {
  /** A file in the zip: its method (0 stored, 8 deflated), checksum, sizes, and local header. */
  record Entry(String name, int method, long crc, long compressed, long size, long offset) {}

  private static final int END = 0x06054b50;
  private static final int END64_LOCATOR = 0x07064b50;
  private static final int END64 = 0x06064b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int LOCAL = 0x04034b50;
  private static final int END_LENGTH = 22;
  private static final long FULL32 = 0xffffffffL;

  private final String where;
  private final FileChannel channel;
  private final long length;
  private final Limits limits;
  private final List<Entry> entries = new ArrayList<>();

  private ZipReader(String where, FileChannel channel, long length, Limits limits) {
    this.where = where;
    this.channel = channel;
    this.length = length;
    this.limits = limits;
  }

  static ZipReader open(Path file, Limits limits) {
    String where = file.toString();
    try {
      long length = Input.length(file);
      FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
      ZipReader zip = new ZipReader(where, channel, length, limits);
      try {
        zip.readDirectory();
        return zip;
      } catch (RuntimeException | IOException e) {
        channel.close();
        throw e;
      }
    } catch (IOException e) {
      throw DataException.io(where, "a readable zip file", e);
    }
  }

  /** Every entry, folders too, in the order of the directory. */
  List<Entry> entries() {
    return List.copyOf(entries);
  }

  /** The contents of an entry; their end checks their size and checksum. */
  Input read(Entry entry) {
    String name = where + "!/" + entry.name();
    if (entry.method() != 0 && entry.method() != 8) {
      throw new DataException(name, "method 0 (stored) or 8 (deflated)", "" + entry.method());
    }
    boolean possible =
        entry.method() == 0
            ? entry.size() == entry.compressed()
            : entry.size() <= limits.inflated(entry.compressed());
    if (!possible) {
      throw new DataException(
          name,
          "a size that " + entry.compressed() + " compressed bytes may have",
          entry.size() + " bytes");
    }
    try {
      ByteBuffer local = bytes(entry.offset(), 30, "a local header");
      if (local.getInt(0) != LOCAL) {
        throw new DataException(name, "a local header at " + entry.offset(), "something else");
      }
      long start = entry.offset() + 30 + unsigned(local, 26) + unsigned(local, 28);
      if (entry.compressed() > length - start) {
        throw new DataException(
            name, entry.compressed() + " bytes from " + start, "the file's end at " + length);
      }
      InputStream raw = new ZipEntryStream.Region(channel, start, entry.compressed());
      return Input.of(
          name,
          new BufferedInputStream(new ZipEntryStream(raw, entry), 1 << 16),
          entry.method() == 0,
          entry.size());
    } catch (IOException e) {
      throw DataException.io(name, "a readable entry", e);
    }
  }

  private void readDirectory() throws IOException {
    ByteBuffer end = end();
    long count = unsigned(end, 10);
    long size = end.getInt(12) & FULL32;
    long start = end.getInt(16) & FULL32;
    if (count == 0xffff || size == FULL32 || start == FULL32) {
      ByteBuffer end64 = end64(end.getLong(END_LENGTH));
      count = end64.getLong(32);
      size = end64.getLong(40);
      start = end64.getLong(48);
    }
    if (start < 0 || size < 0 || size > length || start > length - size) {
      throw new DataException(
          where, "a directory within " + length + " bytes", size + " bytes from " + start);
    }
    if (count < 0 || count > limits.entries() || count > size / 46 || size > 1 << 30) {
      throw new DataException(
          where, "a directory of at most " + size / 46 + " entries", Long.toUnsignedString(count));
    }
    ByteBuffer directory = bytes(start, (int) size, "a directory");
    Set<String> names = new HashSet<>();
    for (long i = 0; i < count; i++) {
      Entry entry = entry(directory);
      if (!names.add(entry.name())) {
        throw new DataException(
            where, "every name once", DataException.quote(entry.name()) + " twice");
      }
      entries.add(entry);
    }
    checkNoOverlap(start);
  }

  /** The end record, which a comment may follow; after it, where it begins. */
  private ByteBuffer end() throws IOException {
    int room = (int) Math.min(length, END_LENGTH + 0xffff);
    ByteBuffer tail = bytes(length - room, room, "a zip");
    for (int at = room - END_LENGTH; at >= 0; at--) {
      if (tail.getInt(at) == END && unsigned(tail, at + 20) == room - END_LENGTH - at) {
        ByteBuffer end = ByteBuffer.allocate(END_LENGTH + 8).order(ByteOrder.LITTLE_ENDIAN);
        end.put(0, tail, at, END_LENGTH);
        end.putLong(END_LENGTH, length - room + at);
        return end;
      }
    }
    throw new DataException(where, "a zip's end record", "none: the file is cut off or no zip");
  }

  private ByteBuffer end64(long end) throws IOException {
    ByteBuffer locator = bytes(end - 20, 20, "a zip64 locator");
    ByteBuffer end64 = bytes(locator.getLong(8), 56, "a zip64 end record");
    if (locator.getInt(0) != END64_LOCATOR || end64.getInt(0) != END64) {
      throw new DataException(where, "a zip64 end record", "something else");
    }
    return end64;
  }

  private Entry entry(ByteBuffer directory) {
    int at = directory.position();
    if (directory.remaining() < 46 || directory.getInt(at) != CENTRAL) {
      throw new DataException(where, "a directory entry at " + at, "something else");
    }
    int nameLength = unsigned(directory, at + 28);
    int extraLength = unsigned(directory, at + 30);
    int whole = 46 + nameLength + extraLength + unsigned(directory, at + 32);
    if (whole > directory.remaining()) {
      throw new DataException(where, "a directory entry of " + whole + " bytes", "its end before");
    }
    byte[] nameBytes = new byte[nameLength];
    directory.get(at + 46, nameBytes);
    String name = text(nameBytes);
    long compressed = directory.getInt(at + 20) & FULL32;
    long size = directory.getInt(at + 24) & FULL32;
    long offset = directory.getInt(at + 42) & FULL32;
    if (compressed == FULL32 || size == FULL32 || offset == FULL32) {
      long[] wide = {size, compressed, offset};
      widen(directory.slice(at + 46 + nameLength, extraLength), wide);
      size = wide[0];
      compressed = wide[1];
      offset = wide[2];
    }
    if ((directory.getShort(at + 8) & 1) != 0) {
      throw new DataException(where + "!/" + name, "a file that is not encrypted", "encryption");
    }
    // Made by Unix: the upper half of the attributes is the file's mode; 10 is a link, 4 and 8 are
    // folder and file, 0 is nothing said.
    int kind = unsigned(directory, at + 4) >> 8 == 3 ? directory.getInt(at + 38) >>> 28 : 0;
    if (kind != 0 && kind != 4 && kind != 8) {
      String found = kind == 10 ? "a symbolic link" : "a device";
      throw new DataException(where + "!/" + name, "only files and folders in the archive", found);
    }
    if (size < 0 || compressed < 0 || offset < 0 || offset > length) {
      throw new DataException(
          where + "!/" + name, "an entry within " + length + " bytes", "it at " + offset);
    }
    directory.position(at + whole);
    int method = unsigned(directory, at + 10);
    return new Entry(name, method, directory.getInt(at + 16) & FULL32, compressed, size, offset);
  }

  /** Replaces each value that is full by the next number in the zip64 field. */
  private void widen(ByteBuffer extra, long[] values) {
    extra.order(ByteOrder.LITTLE_ENDIAN);
    while (extra.remaining() >= 4) {
      int tag = extra.getShort() & 0xffff;
      int size = extra.getShort() & 0xffff;
      if (size > extra.remaining()) {
        break;
      }
      ByteBuffer field = extra.slice(extra.position(), size).order(ByteOrder.LITTLE_ENDIAN);
      extra.position(extra.position() + size);
      if (tag == 1) {
        for (int i = 0; i < values.length; i++) {
          if (values[i] == FULL32 && field.remaining() >= 8) {
            values[i] = field.getLong();
          }
        }
      }
    }
  }

  private void checkNoOverlap(long directory) {
    List<Entry> sorted = new ArrayList<>(entries);
    sorted.sort(Comparator.comparingLong(Entry::offset));
    for (int i = 0; i < sorted.size(); i++) {
      Entry entry = sorted.get(i);
      long next = i + 1 < sorted.size() ? sorted.get(i + 1).offset() : directory;
      if (entry.offset() + 30 > next || entry.compressed() > next - entry.offset() - 30) {
        throw new DataException(
            where + "!/" + entry.name(),
            "entries that do not overlap",
            "one that runs into " + next);
      }
    }
  }

  private ByteBuffer bytes(long from, int count, String what) throws IOException {
    if (from < 0 || from > length || count > length - from) {
      throw new DataException(where, what + " of " + count + " bytes", "the file's end");
    }
    ByteBuffer buffer = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, from + buffer.position()) < 0) {
        throw new DataException(where, what, "the file's end");
      }
    }
    return buffer.flip();
  }

  private static int unsigned(ByteBuffer buffer, int at) {
    return buffer.getShort(at) & 0xffff;
  }

  private static String text(byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      return new String(bytes, StandardCharsets.ISO_8859_1);
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw DataException.io(where, "a file that closes", e);
    }
  }
}
