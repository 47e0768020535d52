package io.nepenthe.onnx;

import io.nepenthe.nn.Extent;
import io.nepenthe.onnx.GraphIndex.Located;
import io.nepenthe.onnx.NetworkCollector.Value;
import io.nepenthe.onnx.schema.GraphProto;
import io.nepenthe.onnx.schema.TensorProto.DataType;
import io.nepenthe.onnx.schema.TensorShapeProto;
import io.nepenthe.onnx.schema.TensorShapeProto.Dimension;
import io.nepenthe.onnx.schema.TypeProto;
import io.nepenthe.onnx.schema.ValueInfoProto;
import java.util.Map;

/** Turns an ONNX graph into a network with values. */
final class GraphReader {
  private final String file;
  private final ExternalData external;
  private final GraphIndex index;
  private final NetworkCollector network;
  private final int opset;

  GraphReader(String file, GraphProto graph, int opset, ExternalData external) {
    this.file = file;
    this.external = external;
    this.index = new GraphIndex(file, graph, external);
    this.network = new NetworkCollector(file, index::knows);
    this.opset = opset;
  }

  OnnxModel read(Map<String, String> metadata) {
    String input = index.input().getName();
    String output = index.output().getName();
    String where = file + ": input " + OnnxException.quote(input);
    TensorShapeProto shape = shape(where, index.input());
    Value start = network.input(where, extent(where, shape));
    long batch = shape.getDim(0).getDimValue();
    if (batch > 0) {
      network.note("the batch size is " + batch + " in the file, and open from here on");
    }
    NodeInputs values = new NodeInputs(index);
    values.put(input, start);
    NodeReader nodes = new NodeReader(index, network, values, opset, batch);
    for (Located at : index.needed()) {
      nodes.read(at);
    }
    String outputWhere = file + ": output " + OnnxException.quote(output);
    Value last = values.get(outputWhere, output);
    if (last.transposed()) {
      throw new OnnxException(outputWhere, "images with channels first", "channels last");
    }
    requireDeclared(outputWhere, last.extent());
    return network.finish(input, output, last, metadata).withFiles(external.files());
  }

  private static TypeProto.Tensor tensor(String where, ValueInfoProto value) {
    TypeProto.Tensor type = value.getType().getTensorType();
    int element = type.getElemType();
    boolean real = element == DataType.FLOAT_VALUE || element == DataType.DOUBLE_VALUE;
    if (!real) {
      DataType known = DataType.forNumber(element);
      throw new OnnxException(
          where, "numbers of type FLOAT", known == null ? "type " + element : known.name());
    }
    return type;
  }

  private TensorShapeProto shape(String where, ValueInfoProto value) {
    TypeProto.Tensor type = tensor(where, value);
    if (type.getElemType() == DataType.DOUBLE_VALUE) {
      network.note("the file computes in double precision, the engine in single precision");
    }
    TensorShapeProto shape = type.getShape();
    if (shape.getDimCount() != 2 && shape.getDimCount() != 4) {
      throw new OnnxException(
          where, "vectors or images (2 or 4 dimensions)", shape.getDimCount() + "");
    }
    return shape;
  }

  private static Extent extent(String where, TensorShapeProto shape) {
    for (int i = 1; i < shape.getDimCount(); i++) {
      Dimension dimension = shape.getDim(i);
      long size = dimension.getDimValue();
      if (size < 1 || size > Integer.MAX_VALUE) {
        String found =
            dimension.hasDimParam()
                ? "the open size " + OnnxException.quote(dimension.getDimParam())
                : Long.toString(size);
        throw new OnnxException(
            where, "a size of 1 to " + Integer.MAX_VALUE + " for dimension " + i, found);
      }
    }
    return shape.getDimCount() == 2
        ? Extent.vector(shape.getDim(1).getDimValue())
        : Extent.image(
            shape.getDim(2).getDimValue(),
            shape.getDim(3).getDimValue(),
            shape.getDim(1).getDimValue());
  }

  /** A file that says another size of its output than it computes is damaged. */
  private void requireDeclared(String where, Extent computed) {
    if (!index.output().hasType()) {
      return;
    }
    TypeProto.Tensor type = tensor(where, index.output());
    if (!type.hasShape()) {
      return;
    }
    long[] sizes =
        computed.isVector()
            ? new long[] {0, computed.channels()}
            : new long[] {0, computed.channels(), computed.height(), computed.width()};
    TensorShapeProto shape = type.getShape();
    boolean same = shape.getDimCount() == sizes.length;
    for (int i = 1; same && i < sizes.length; i++) {
      same = !shape.getDim(i).hasDimValue() || shape.getDim(i).getDimValue() == sizes[i];
    }
    if (!same) {
      StringBuilder declared = new StringBuilder();
      for (Dimension dimension : shape.getDimList().subList(0, Math.min(8, shape.getDimCount()))) {
        declared.append(declared.isEmpty() ? "" : "×");
        declared.append(dimension.hasDimValue() ? Long.toString(dimension.getDimValue()) : "?");
      }
      throw new OnnxException(
          where, "the declared size " + declared, "nodes that compute " + computed);
    }
  }
}
