package io.nepenthe.onnx;

import io.nepenthe.onnx.schema.AttributeProto;
import io.nepenthe.onnx.schema.GraphProto;
import io.nepenthe.onnx.schema.NodeProto;
import io.nepenthe.onnx.schema.TensorProto;
import io.nepenthe.onnx.schema.ValueInfoProto;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Finds things in a graph: its constants, its one input and output, the nodes that the output needs
 * and who takes what they compute.
 */
final class GraphIndex {
  /** Ten times the deepest networks in use; some steps take time quadratic in it. */
  private static final int MOST_NODES = 10_000;

  private final String file;
  private final ExternalData external;
  private final Map<String, TensorProto> tensors = new HashMap<>();
  private final Map<String, String> aliases = new HashMap<>();
  private final Map<String, Constant> checked = new HashMap<>();
  private final Map<String, Integer> takers = new HashMap<>();
  private final Map<String, Located> lastTaker = new HashMap<>();
  private final Set<String> known = new HashSet<>();
  private final List<Located> needed = new ArrayList<>();
  private final ValueInfoProto input;
  private final ValueInfoProto output;

  /**
   * A node and what to call it in a message.
   *
   * @param where the file and the node
   */
  record Located(String where, NodeProto node) {}

  GraphIndex(String file, GraphProto graph, ExternalData external) {
    this.file = file;
    this.external = external;
    for (TensorProto tensor : graph.getInitializerList()) {
      constant(tensor.getName(), tensor);
    }
    // Up to format version 3, initialisers are inputs too.
    List<ValueInfoProto> inputs =
        graph.getInputList().stream().filter(i -> !tensors.containsKey(i.getName())).toList();
    this.input = one("input", inputs);
    this.output = one("output", graph.getOutputList());
    index(graph.getNodeList());
  }

  private void constant(String name, TensorProto tensor) {
    if (name.isEmpty() || tensors.put(name, tensor) != null) {
      throw new OnnxException(
          file,
          "tensors of different names",
          name.isEmpty() ? "no name" : OnnxException.quote(name) + " twice");
    }
  }

  private ValueInfoProto one(String what, List<ValueInfoProto> values) {
    if (values.size() != 1 || values.get(0).getName().isEmpty()) {
      throw new OnnxException(file, "a model of one " + what, values.size() + " of them");
    }
    return values.get(0);
  }

  private void index(List<NodeProto> nodes) {
    known.addAll(tensors.keySet());
    known.add(input.getName());
    for (int i = 0; i < nodes.size(); i++) {
      for (String name : nodes.get(i).getOutputList()) {
        if (!name.isEmpty() && !known.add(name)) {
          throw new OnnxException(
              where(nodes.get(i), i), "outputs of new names", OnnxException.quote(name));
        }
      }
    }
    Set<String> wanted = new HashSet<>(Set.of(output.getName()));
    for (int i = nodes.size() - 1; i >= 0; i--) {
      NodeProto node = nodes.get(i);
      if (node.getOutputList().stream().anyMatch(wanted::contains)) {
        wanted.addAll(node.getInputList());
        // An input or output that is left out has no name.
        wanted.remove("");
        Located at = new Located(where(node, i), node);
        for (String name : node.getInputList()) {
          takers.merge(name, 1, Integer::sum);
          lastTaker.putIfAbsent(name, at);
        }
        needed.add(at);
        if (needed.size() > MOST_NODES) {
          throw new OnnxException(file, "at most " + MOST_NODES + " nodes", "more");
        }
      }
    }
    takers.merge(output.getName(), 1, Integer::sum);
    Collections.reverse(needed);
    needed.removeIf(this::isConstant);
  }

  /** Takes a constant node, and an identity of a constant, among the constants. */
  private boolean isConstant(Located at) {
    NodeProto node = at.node();
    if (!standard(node) || node.getOutputCount() != 1) {
      return false;
    }
    String name = node.getOutput(0);
    if (node.getOpType().equals("Constant") && node.getInputCount() == 0) {
      tensors.put(name, value(at));
      return true;
    }
    if (node.getOpType().equals("Identity")
        && node.getInputCount() == 1
        && tensors.containsKey(original(node.getInput(0)))) {
      aliases.put(name, original(node.getInput(0)));
      return true;
    }
    return false;
  }

  private static TensorProto value(Located at) {
    Attributes attributes = new Attributes(at.where(), at.node());
    attributes.allow("value", "value_float", "value_floats", "value_int", "value_ints");
    if (at.node().getAttributeCount() != 1) {
      throw new OnnxException(at.where(), "one value", at.node().getAttributeCount() + " of them");
    }
    Optional<TensorProto> tensor = attributes.tensor("value");
    if (tensor.isPresent()) {
      return tensor.get();
    }
    AttributeProto attribute = at.node().getAttribute(0);
    TensorProto.Builder made = TensorProto.newBuilder();
    switch (attribute.getName()) {
      case "value_float" ->
          made.setDataType(TensorProto.DataType.FLOAT_VALUE)
              .addFloatData(attributes.real("value_float", 0));
      case "value_floats" ->
          made.setDataType(TensorProto.DataType.FLOAT_VALUE)
              .addDims(attribute.getFloatsCount())
              .addAllFloatData(attribute.getFloatsList());
      case "value_int" ->
          made.setDataType(TensorProto.DataType.INT64_VALUE)
              .addInt64Data(attributes.integer("value_int", 0));
      default ->
          made.setDataType(TensorProto.DataType.INT64_VALUE)
              .addDims(attribute.getIntsCount())
              .addAllInt64Data(attribute.getIntsList());
    }
    return made.build();
  }

  private String where(NodeProto node, int index) {
    String name = node.getName().isEmpty() ? index + "" : OnnxException.quote(node.getName());
    return file + ": node " + name + " (" + printable(operator(node)) + ")";
  }

  private static String printable(String operator) {
    String quoted = OnnxException.quote(operator);
    return quoted.substring(1, quoted.length() - 1);
  }

  static boolean standard(NodeProto node) {
    return node.getDomain().isEmpty() || node.getDomain().equals("ai.onnx");
  }

  /** The operator, with its domain unless that is the standard one. */
  static String operator(NodeProto node) {
    return standard(node) ? node.getOpType() : node.getDomain() + ":" + node.getOpType();
  }

  ValueInfoProto input() {
    return input;
  }

  ValueInfoProto output() {
    return output;
  }

  /** The nodes that the output needs, in the file's order, without the constants. */
  List<Located> needed() {
    return needed;
  }

  /** The node that takes a value, if it is the only one and the value is not the output. */
  Optional<Located> onlyTaker(String value) {
    return takers.getOrDefault(value, 0) == 1
        ? Optional.ofNullable(lastTaker.get(value))
        : Optional.empty();
  }

  /** The initialiser that a name stands for. */
  String original(String name) {
    return aliases.getOrDefault(name, name);
  }

  /** Whether anything in the file has that name. */
  boolean knows(String name) {
    return known.contains(name);
  }

  boolean isConstant(String name) {
    return tensors.containsKey(original(name));
  }

  /** The constant of that name, checked at its first use. */
  Constant constant(String name) {
    return checked.computeIfAbsent(
        original(name), key -> Constant.of(file, key, tensors.get(key), external));
  }
}
