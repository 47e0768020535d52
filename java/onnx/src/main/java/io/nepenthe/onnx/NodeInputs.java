package io.nepenthe.onnx;

import io.nepenthe.onnx.GraphIndex.Located;
import io.nepenthe.onnx.NetworkCollector.Value;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What the nodes of a graph may take: values that were computed before them, and constants. */
final class NodeInputs {
  private final GraphIndex index;
  private final Map<String, Value> values = new HashMap<>();

  NodeInputs(GraphIndex index) {
    this.index = index;
  }

  void put(String name, Value value) {
    values.put(name, value);
  }

  /** The value of that name. */
  Value get(String where, String name) {
    Value value = values.get(name);
    if (value == null) {
      String what = index.isConstant(name) ? "the constant " : "nothing that computes ";
      throw new OnnxException(where, "a value computed before", what + OnnxException.quote(name));
    }
    return value;
  }

  static void requireInputs(Located at, int least, int most) {
    int found = at.node().getInputCount();
    if (found < least || found > most) {
      String expected = least == most ? least + "" : least + " to " + most;
      throw new OnnxException(at.where(), expected + " inputs", found + "");
    }
  }

  /** The first input, an ordinary value; the node has {@code least} to {@code most} inputs. */
  List<Value> first(Located at, int least, int most) {
    requireInputs(at, least, most);
    return List.of(ordinary(at, 0));
  }

  Value ordinary(Located at, int input) {
    Value value = get(at.where(), at.node().getInput(input));
    if (value.ending() != Ending.LOGITS) {
      throw new OnnxException(
          at.where(), "a softmax at the very end only", "a node that takes one's output");
    }
    if (value.transposed()) {
      throw new OnnxException(
          at.where(), "a Transpose only before a Flatten or Reshape", "another node after it");
    }
    return value;
  }

  Value flattenable(Located at) {
    Value value = get(at.where(), at.node().getInput(0));
    return value.transposed() && value.ending() == Ending.LOGITS ? value : ordinary(at, 0);
  }

  Value vector(Located at) {
    Value value = ordinary(at, 0);
    if (!value.extent().isVector()) {
      throw new OnnxException(at.where(), "vectors", "images of " + value.extent());
    }
    return value;
  }

  Constant weights(Located at, int input, int rank) {
    String name = at.node().getInput(input);
    if (!index.isConstant(name)) {
      throw new OnnxException(
          at.where(),
          "constant weights as input " + input,
          name.isEmpty() ? "none" : "the computed value " + OnnxException.quote(name));
    }
    Constant constant = index.constant(name).requireReal();
    if (constant.shape().rank() != rank || constant.elements() == 0) {
      throw new OnnxException(
          at.where(),
          OnnxException.quote(name) + " of " + rank + " dimensions",
          "shape " + constant.shape());
    }
    return constant;
  }

  static Constant requireCount(Located at, int input, Constant constant, long count) {
    if (constant.elements() != count) {
      throw new OnnxException(
          at.where(),
          count + " values in " + OnnxException.quote(at.node().getInput(input)),
          Long.toString(constant.elements()));
    }
    return constant;
  }

  static boolean hasInput(Located at, int input) {
    return at.node().getInputCount() > input && !at.node().getInput(input).isEmpty();
  }
}
