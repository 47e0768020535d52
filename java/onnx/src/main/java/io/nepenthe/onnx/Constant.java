package io.nepenthe.onnx;

import io.nepenthe.onnx.schema.TensorProto;
import io.nepenthe.onnx.schema.TensorProto.DataType;
import io.nepenthe.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A tensor of a file, checked: its values are as many as its shape says.
 *
 * @param where the file and the tensor
 * @param name its name in the file
 * @param shape its sizes
 * @param type of its values
 * @param raw its values where the file, or another one, has them as bytes, else empty
 * @param proto its values where the file has them as numbers
 */
record Constant(
    String where, String name, Shape shape, DataType type, ByteBuffer raw, TensorProto proto) {

  static Constant of(String file, String name, TensorProto proto, ExternalData external) {
    String where = file + ": tensor " + OnnxException.quote(name);
    if (proto.hasSegment()) {
      throw new OnnxException(where, "a whole tensor", "a segment of one");
    }
    Shape shape = shape(where, proto);
    DataType type = DataType.forNumber(proto.getDataType());
    int bytes = bytes(type);
    if (bytes == 0) {
      String found = type == null ? "type " + proto.getDataType() : type.name();
      throw new OnnxException(where, "values of type FLOAT, DOUBLE, INT64 or BOOL", found);
    }
    int numbers =
        switch (type) {
          case FLOAT -> proto.getFloatDataCount();
          case DOUBLE -> proto.getDoubleDataCount();
          case INT64 -> proto.getInt64DataCount();
          default -> proto.getInt32DataCount();
        };
    if (ExternalData.has(proto)) {
      if (numbers > 0 || !proto.getRawData().isEmpty()) {
        throw new OnnxException(where, "values in one place", "some here and some elsewhere");
      }
      ByteBuffer values = external.read(where, proto, shape.elements(), bytes);
      return new Constant(where, name, shape, type, values, proto);
    }
    boolean raw = proto.hasRawData() && (proto.getRawData().size() > 0 || numbers == 0);
    long found = raw ? proto.getRawData().size() : (long) numbers * bytes;
    if (raw && numbers > 0 || found / bytes != shape.elements() || found % bytes != 0) {
      throw new OnnxException(
          where,
          shape.elements() + " values of " + bytes + " bytes for shape " + shape,
          raw && numbers > 0 ? "values twice" : found + " bytes");
    }
    ByteBuffer buffer =
        raw
            ? proto.getRawData().asReadOnlyByteBuffer().slice().order(ByteOrder.LITTLE_ENDIAN)
            : ByteBuffer.allocate(0);
    return new Constant(where, name, shape, type, buffer, proto);
  }

  private static Shape shape(String where, TensorProto proto) {
    long[] sizes = new long[Math.min(proto.getDimsCount(), Shape.MAX_RANK + 1)];
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] = proto.getDims(i);
    }
    try {
      return Shape.of(sizes);
    } catch (IllegalArgumentException e) {
      throw new OnnxException(where, "a possible shape", e.getMessage(), e);
    }
  }

  private static int bytes(DataType type) {
    return switch (type) {
      case FLOAT -> 4;
      case DOUBLE, INT64 -> 8;
      case BOOL -> 1;
      case null, default -> 0;
    };
  }

  /** The number of values. */
  long elements() {
    return shape.elements();
  }

  /** Requires that the values are floating-point numbers. */
  Constant requireReal() {
    if (type != DataType.FLOAT && type != DataType.DOUBLE) {
      throw new OnnxException(where, "values of type FLOAT or DOUBLE", type.name());
    }
    return this;
  }

  /** The floating-point number at a flat index. */
  float real(long index) {
    int i = (int) index;
    boolean inBytes = raw.capacity() > 0;
    return type == DataType.FLOAT
        ? inBytes ? raw.getFloat(4 * i) : proto.getFloatData(i)
        : (float) (inBytes ? raw.getDouble(8 * i) : proto.getDoubleData(i));
  }

  /** All values of a short list of whole numbers or truth values. */
  long[] whole(int most) {
    if (type != DataType.INT64 && type != DataType.BOOL || elements() > most) {
      throw new OnnxException(
          where, "at most " + most + " whole numbers", elements() + " of type " + type);
    }
    long[] values = new long[(int) elements()];
    boolean inBytes = raw.capacity() > 0;
    for (int i = 0; i < values.length; i++) {
      values[i] =
          type == DataType.INT64
              ? inBytes ? raw.getLong(8 * i) : proto.getInt64Data(i)
              : inBytes ? raw.get(i) : proto.getInt32Data(i);
    }
    return values;
  }
}
