package io.nepenthe.benchmarks;

import java.lang.reflect.RecordComponent;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Writes maps, lists, records, text, numbers and null as JSON. */
final class Json {
  private Json() {}

  static String write(Object value) {
    return write(value, "") + "\n";
  }

  private static String write(Object value, String indent) {
    String inner = indent + "  ";
    return switch (value) {
      case null -> "null";
      case Double number when !Double.isFinite(number) -> "null";
      case Number number -> number.toString();
      case Boolean flag -> flag.toString();
      case String text -> quote(text);
      case List<?> list ->
          list.stream()
              .map(item -> inner + write(item, inner))
              .collect(Collectors.joining(",\n", "[\n", "\n" + indent + "]"));
      case Map<?, ?> map ->
          map.entrySet().stream()
              .map(e -> inner + quote(e.getKey().toString()) + ": " + write(e.getValue(), inner))
              .collect(Collectors.joining(",\n", "{\n", "\n" + indent + "}"));
      case Record row -> write(components(row), indent);
      default -> throw new IllegalArgumentException("no JSON for " + value.getClass());
    };
  }

  private static Map<String, Object> components(Record row) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (RecordComponent component : row.getClass().getRecordComponents()) {
      try {
        map.put(component.getName(), component.getAccessor().invoke(row));
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException(e);
      }
    }
    return map;
  }

  private static String quote(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      switch (c) {
        case '"', '\\' -> out.append('\\').append(c);
        default -> out.append(c < ' ' ? "\\u%04x".formatted((int) c) : c);
      }
    }
    return out.append('"').toString();
  }
}
