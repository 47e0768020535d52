package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.stream.Collectors;
import java.util.zip.CRC32C;

/** A CRC-32C of every tensor's bytes: against damage, not against forgery. */
final class Checksums {
  /** The metadata that hold them. */
  static final String KEY = "crc32c";

  private final CRC32C[] sums;

  Checksums(int tensors) {
    sums = new CRC32C[tensors];
    Arrays.setAll(sums, i -> new CRC32C());
  }

  /** More bytes of a tensor, in order; less than 2 GiB. */
  void add(int tensor, MemorySegment bytes) {
    sums[tensor].update(bytes.asByteBuffer());
  }

  /** Eight digits each, whatever the values. */
  @Override
  public String toString() {
    return Arrays.stream(sums)
        .map(sum -> HexFormat.of().toHexDigits((int) sum.getValue()))
        .collect(Collectors.joining(" "));
  }
}
