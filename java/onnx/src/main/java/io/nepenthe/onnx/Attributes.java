package io.nepenthe.onnx;

import io.nepenthe.onnx.schema.AttributeProto;
import io.nepenthe.onnx.schema.AttributeProto.AttributeType;
import io.nepenthe.onnx.schema.NodeProto;
import io.nepenthe.onnx.schema.TensorProto;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/** The attributes of a node, with the defaults of the operator. */
final class Attributes {
  private final String where;
  private final Map<String, AttributeProto> byName = new LinkedHashMap<>();

  Attributes(String where, NodeProto node) {
    this.where = where;
    for (AttributeProto attribute : node.getAttributeList()) {
      if (byName.put(attribute.getName(), attribute) != null) {
        throw new OnnxException(
            where, "one attribute " + OnnxException.quote(attribute.getName()), "two");
      }
    }
  }

  /** Refuses attributes that the operator does not have: they would change what it computes. */
  void allow(String... names) {
    Set<String> known = Set.of(names);
    for (String name : byName.keySet()) {
      if (!known.contains(name)) {
        String expected =
            known.isEmpty() ? "no attribute" : "attributes out of " + new TreeSet<>(known);
        throw new OnnxException(where, expected, OnnxException.quote(name));
      }
    }
  }

  boolean has(String name) {
    return byName.containsKey(name);
  }

  private Optional<AttributeProto> find(String name, AttributeType type, boolean present) {
    AttributeProto attribute = byName.get(name);
    if (attribute == null) {
      return Optional.empty();
    }
    // Files of the first format versions have no types.
    boolean typed = attribute.hasType() && attribute.getType() != AttributeType.UNDEFINED;
    if (typed ? attribute.getType() != type : !present) {
      throw new OnnxException(
          where,
          "attribute " + name + " of type " + type,
          typed ? "type " + attribute.getType() : "another type");
    }
    return Optional.of(attribute);
  }

  private boolean set(String name, Predicate<AttributeProto> part) {
    return has(name) && part.test(byName.get(name));
  }

  long integer(String name, long otherwise) {
    return find(name, AttributeType.INT, set(name, AttributeProto::hasI))
        .map(AttributeProto::getI)
        .orElse(otherwise);
  }

  /** A whole number out of a range. */
  int integer(String name, long otherwise, int least, int most) {
    long value = integer(name, otherwise);
    if (value < least || value > most) {
      throw new OnnxException(
          where,
          name + (least == most ? " = " + least : " in " + least + "…" + most),
          Long.toString(value));
    }
    return (int) value;
  }

  float real(String name, float otherwise) {
    float value =
        find(name, AttributeType.FLOAT, set(name, AttributeProto::hasF))
            .map(AttributeProto::getF)
            .orElse(otherwise);
    if (!Float.isFinite(value)) {
      throw new OnnxException(where, "a finite " + name, Float.toString(value));
    }
    return value;
  }

  String text(String name, String otherwise) {
    return find(name, AttributeType.STRING, set(name, AttributeProto::hasS))
        .map(attribute -> attribute.getS().toString(StandardCharsets.UTF_8))
        .orElse(otherwise);
  }

  Optional<TensorProto> tensor(String name) {
    return find(name, AttributeType.TENSOR, set(name, AttributeProto::hasT))
        .map(AttributeProto::getT);
  }

  /** Exactly {@code count} whole numbers of at least {@code least}. */
  Optional<int[]> integers(String name, int count, int least) {
    Optional<AttributeProto> attribute = find(name, AttributeType.INTS, true);
    if (attribute.isEmpty()) {
      return Optional.empty();
    }
    long[] values = attribute.get().getIntsList().stream().mapToLong(i -> i).toArray();
    boolean fits = Arrays.stream(values).allMatch(v -> v >= least && v <= 1 << 20);
    if (values.length != count || !fits) {
      String found = values.length > 16 ? values.length + " of them" : Arrays.toString(values);
      throw new OnnxException(
          where, name + " of " + count + " numbers, each " + least + "…" + (1 << 20), found);
    }
    return Optional.of(Arrays.stream(values).mapToInt(v -> (int) v).toArray());
  }
}
