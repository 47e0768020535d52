package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An array in NumPy's format, versions 1 to 3, of whole or floating-point numbers in C order.
 * Python objects (pickles) are never read. (Source: numpy.lib.format.)
 *
 * @param where the file, and the entry in it
 * @param kind b boolean, i signed, u unsigned, f floating point
 * @param bytes bytes an element
 * @param order of the bytes in the file
 * @param shape the extent; may be empty for a single number
 * @param data the elements
 */
record Npy(String where, char kind, int bytes, ByteOrder order, long[] shape, MemorySegment data) {
  private static final int MOST_HEADER = 1 << 16;
  private static final int MOST_DIMENSIONS = 8;
  private static final Pattern PAIR =
      Pattern.compile(
          "\\s*'(descr|fortran_order|shape)'\\s*:\\s*"
              + "(?:'([^'\\\\]{1,20})'|(True|False)|\\(([0-9, ]{0,200})\\))\\s*(,?)");
  private static final Pattern TYPE = Pattern.compile("([<>|=])(b1|[iu][1248]|f[248])");

  /** Reads an array to its end, which must be the input's. */
  static Npy read(Input in, Limits limits) {
    String where = in.where();
    byte[] magic = in.read(8, "an NPY header");
    int version = magic[6];
    if (!Input.startsWith(magic, 0x93, 'N', 'U', 'M', 'P', 'Y') || version < 1 || version > 3) {
      throw new DataException(where, "an NPY header of version 1 to 3", "other bytes");
    }
    byte[] sizeBytes = in.read(version == 1 ? 2 : 4, "the length of an NPY header");
    long size = 0;
    for (int i = sizeBytes.length - 1; i >= 0; i--) {
      size = size << 8 | sizeBytes[i] & 0xff;
    }
    if (size > MOST_HEADER) {
      throw new DataException(where, "an NPY header of at most " + MOST_HEADER, size + " bytes");
    }
    String header = new String(in.read((int) size, "an NPY header"), StandardCharsets.UTF_8);
    String[] values = parse(where, header);
    Matcher type = TYPE.matcher(values[0]);
    if (!type.matches()) {
      String found = DataException.quote(values[0]);
      throw new DataException(
          where,
          "an array of whole or floating-point numbers",
          values[0].contains("O") ? "Python objects " + found + ", which can run code" : found);
    }
    long[] shape = shape(where, values[2]);
    if (values[1].equals("True") && shape.length > 1) {
      throw new DataException(where, "an array in C order", "Fortran order");
    }
    int each = type.group(2).charAt(1) - '0';
    long count = each;
    for (long side : shape) {
      if (side > 0 && count > limits.totalBytes() / side) {
        throw new DataException(
            where, "at most " + limits.totalBytes() + " bytes", Arrays.toString(shape));
      }
      count *= side;
    }
    ByteOrder order = type.group(1).equals(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
    String what = "an array of shape " + Arrays.toString(shape);
    MemorySegment data = in.segment(count, what);
    in.end(what);
    return new Npy(where, type.group(2).charAt(0), each, order, shape, data);
  }

  /** The number of elements. */
  long count() {
    return data.byteSize() / bytes;
  }

  /** Whether the elements are whole numbers. */
  boolean isWhole() {
    return kind != 'f';
  }

  /** An element as a 64-bit number; one beyond that, in uint64, comes out negative. */
  long whole(long index) {
    return switch (bytes) {
      case 1 -> {
        byte value = data.get(ValueLayout.JAVA_BYTE, index);
        yield kind == 'i' ? value : value & 0xff;
      }
      case 2 -> {
        short value = data.getAtIndex(ValueLayout.JAVA_SHORT.withOrder(order), index);
        yield kind == 'i' ? value : value & 0xffff;
      }
      case 4 -> {
        int value = data.getAtIndex(ValueLayout.JAVA_INT.withOrder(order), index);
        yield kind == 'i' ? value : value & 0xffffffffL;
      }
      default -> data.getAtIndex(ValueLayout.JAVA_LONG.withOrder(order), index);
    };
  }

  /** An element as a floating-point number. */
  double real(long index) {
    if (kind != 'f') {
      return whole(index);
    }
    return switch (bytes) {
      case 2 ->
          Float.float16ToFloat(data.getAtIndex(ValueLayout.JAVA_SHORT.withOrder(order), index));
      case 4 -> data.getAtIndex(ValueLayout.JAVA_FLOAT.withOrder(order), index);
      default -> data.getAtIndex(ValueLayout.JAVA_DOUBLE.withOrder(order), index);
    };
  }

  /** The header of an array that is about to be written. */
  static byte[] header(String type, long... shape) {
    StringBuilder sides = new StringBuilder();
    for (long side : shape) {
      sides.append(side).append(shape.length == 1 ? "," : ", ");
    }
    if (shape.length > 1) {
      sides.setLength(sides.length() - 2);
    }
    String text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + sides + "), }";
    int length = Math.ceilDiv(10 + text.length() + 1, 64) * 64 - 10;
    String padded = text + " ".repeat(length - 1 - text.length()) + "\n";
    byte[] out = new byte[10 + length];
    byte[] magic = {
      (byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (byte) length, (byte) (length >> 8)
    };
    System.arraycopy(magic, 0, out, 0, 10);
    System.arraycopy(padded.getBytes(StandardCharsets.US_ASCII), 0, out, 10, length);
    return out;
  }

  /** The values of descr, fortran_order and shape in a Python dictionary of just these. */
  private static String[] parse(String where, String header) {
    String text = header.strip();
    String[] values = {null, null, null};
    boolean braces = text.startsWith("{") && text.endsWith("}");
    String inner = braces ? text.substring(1, text.length() - 1) : "";
    Matcher pair = PAIR.matcher(inner);
    int at = 0;
    boolean comma = true;
    while (comma && pair.region(at, inner.length()).lookingAt()) {
      int key = "dfs".indexOf(pair.group(1).charAt(0));
      if (values[key] != null) {
        break;
      }
      values[key] = pair.group(2 + key);
      if (values[key] == null) {
        break;
      }
      comma = !pair.group(5).isEmpty();
      at = pair.end();
    }
    boolean all = values[0] != null && values[1] != null && values[2] != null;
    if (!all || !inner.substring(at).isBlank()) {
      throw new DataException(
          where,
          "an NPY header of 'descr', 'fortran_order' and 'shape'",
          DataException.quote(text));
    }
    return values;
  }

  private static long[] shape(String where, String text) {
    String trimmed = text.strip();
    if (trimmed.isEmpty()) {
      return new long[0];
    }
    boolean tuple = trimmed.matches("[0-9]{1,18}( *, *[0-9]{1,18})* *,?") && trimmed.contains(",");
    String[] words = trimmed.split(" *, *");
    if (!tuple || words.length > MOST_DIMENSIONS) {
      throw new DataException(
          where, "a shape of at most " + MOST_DIMENSIONS + " sides", DataException.quote(text));
    }
    return Arrays.stream(words).mapToLong(Long::parseLong).toArray();
  }
}
