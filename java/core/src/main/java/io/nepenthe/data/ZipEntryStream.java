package io.nepenthe.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.zip.CRC32;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;

/** An entry's contents, no longer than it claims; its end checks size and checksum. */
final class ZipEntryStream extends InputStream {
  /** Some bytes of a file, read where they lie. */
  static final class Region extends InputStream {
    private final FileChannel channel;
    private long position;
    private long left;

    Region(FileChannel channel, long position, long length) {
      this.channel = channel;
      this.position = position;
      this.left = length;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
      if (left == 0) {
        return -1;
      }
      int wanted = (int) Math.min(left, length);
      int got = channel.read(ByteBuffer.wrap(bytes, offset, wanted), position);
      if (got > 0) {
        position += got;
        left -= got;
      }
      return got;
    }
  }

  private final Inflater inflater;
  private final InputStream in;
  private final CRC32 crc = new CRC32();
  private final long expectedCrc;
  private final long size;
  private long done;

  ZipEntryStream(InputStream raw, ZipReader.Entry entry) {
    this.inflater = entry.method() == 8 ? new Inflater(true) : null;
    this.in = inflater == null ? raw : new InflaterInputStream(raw, inflater, 1 << 13);
    this.expectedCrc = entry.crc();
    this.size = entry.size();
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    int got = in.read(bytes, offset, length);
    if (got < 0) {
      if (done != size) {
        throw new ZipException("the end after " + done + " of " + size + " bytes");
      }
      if (crc.getValue() != expectedCrc) {
        throw new ZipException("contents of another checksum");
      }
      return -1;
    }
    crc.update(bytes, offset, got);
    done += got;
    if (done > size) {
      throw new ZipException("more than " + size + " bytes");
    }
    return got;
  }

  @Override
  public void close() throws IOException {
    in.close();
    if (inflater != null) {
      inflater.end();
    }
  }
}
