package io.nepenthe.unlearn;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The settings of a {@link Method} by name, read and changed as text: the numbers, truth values and
 * choices among the components of its record and of the records in it. Where a name occurs again,
 * the later one bears its record's name too: {@code batchSize} and {@code searchBatchSize}. Every
 * {@link GradientMethod} also has a {@code maskRatio} of 1; a smaller one makes it {@link Masked}.
 */
public final class Settings {
  /** Of {@link Masked}. */
  private static final String MASK = "maskRatio";

  /** Set anew at every step, or given to the method on its own: not settings. */
  private static final Set<String> HIDDEN = Set.of("gradientScale", "seed");

  private Settings() {}

  /** Every setting with its value. */
  public static SequencedMap<String, String> of(Method method) {
    SequencedMap<String, String> found = new LinkedHashMap<>();
    collect("", method, found);
    if (method instanceof GradientMethod) {
      found.put(MASK, "1.0");
    }
    return found;
  }

  /**
   * The method with some settings changed.
   *
   * @param values by name, as {@link #of} shows them; a choice in any case, with - for _
   * @throws IllegalArgumentException if a name is unknown, naming all, or a value is not of its
   *     kind or not allowed
   */
  public static Method with(Method method, Map<String, String> values) {
    SequencedMap<String, String> known = of(method);
    for (String name : values.keySet()) {
      if (!known.containsKey(name)) {
        throw new IllegalArgumentException(
            "no setting is named \""
                + name
                + "\": expected "
                + (known.isEmpty() ? "none" : String.join(", ", known.keySet())));
      }
    }
    Map<String, String> own = new HashMap<>(values);
    Optional<String> ratio =
        method instanceof GradientMethod ? Optional.ofNullable(own.remove(MASK)) : Optional.empty();
    Method chosen = (Method) changed("", method, own, new HashSet<>());
    return ratio.map(text -> masked((GradientMethod) chosen, text)).orElse(chosen);
  }

  private static Method masked(GradientMethod method, String ratio) {
    Masked all = new Masked(method, 1);
    Masked some = (Masked) changed("", all, Map.of(MASK, ratio), new HashSet<>());
    return some.equals(all) ? method : some;
  }

  private static void collect(String parent, Object value, Map<String, String> found) {
    for (RecordComponent component : components(value)) {
      Object part = get(component, value);
      if (part instanceof Record) {
        collect(component.getName(), part, found);
      } else if (isSetting(component)) {
        found.put(name(parent, component, found.keySet()), part.toString());
      }
    }
  }

  /** The component's own name; with its record's before it where that is taken. */
  private static String name(String parent, RecordComponent component, Set<String> taken) {
    String own = component.getName();
    return taken.contains(own)
        ? parent + Character.toUpperCase(own.charAt(0)) + own.substring(1)
        : own;
  }

  private static RecordComponent[] components(Object value) {
    return value instanceof Record
        ? value.getClass().getRecordComponents()
        : new RecordComponent[0];
  }

  private static boolean isSetting(RecordComponent component) {
    Class<?> type = component.getType();
    return (type.isPrimitive() || type.isEnum()) && !HIDDEN.contains(component.getName());
  }

  private static Object get(RecordComponent component, Object value) {
    try {
      return component.getAccessor().invoke(value);
    } catch (IllegalAccessException | InvocationTargetException e) {
      throw new IllegalStateException("cannot read " + component, e);
    }
  }

  private static Object changed(
      String parent, Object value, Map<String, String> values, Set<String> taken) {
    RecordComponent[] components = components(value);
    if (components.length == 0) {
      return value;
    }
    Object[] parts = new Object[components.length];
    for (int i = 0; i < parts.length; i++) {
      Object part = get(components[i], value);
      parts[i] = part;
      if (part instanceof Record) {
        parts[i] = changed(components[i].getName(), part, values, taken);
      } else if (isSetting(components[i])) {
        String name = name(parent, components[i], taken);
        taken.add(name);
        parts[i] = values.containsKey(name) ? parse(components[i], values.get(name)) : part;
      }
    }
    Class<?>[] types = Stream.of(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      Constructor<?> constructor = value.getClass().getDeclaredConstructor(types);
      return constructor.newInstance(parts);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof IllegalArgumentException refused) {
        throw refused;
      }
      throw new IllegalStateException(e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("cannot make " + value.getClass(), e);
    }
  }

  private static Object parse(RecordComponent component, String text) {
    Class<?> type = component.getType();
    try {
      if (type == int.class) {
        return Integer.parseInt(text);
      } else if (type == long.class) {
        return Long.parseLong(text);
      } else if (type == float.class && Float.isFinite(Float.parseFloat(text))) {
        return Float.parseFloat(text);
      } else if (type == double.class && Double.isFinite(Double.parseDouble(text))) {
        return Double.parseDouble(text);
      } else if (type == boolean.class && (text.equals("true") || text.equals("false"))) {
        return Boolean.parseBoolean(text);
      }
    } catch (NumberFormatException _) {
      // Said below.
    }
    for (Object constant : type.isEnum() ? type.getEnumConstants() : new Object[0]) {
      if (constant.toString().equalsIgnoreCase(text.replace('-', '_'))) {
        return constant;
      }
    }
    String expected =
        type.isEnum()
            ? "one of "
                + Arrays.stream(type.getEnumConstants())
                    .map(Object::toString)
                    .collect(Collectors.joining(", "))
            : type == boolean.class ? "true or false" : "a finite number";
    throw new IllegalArgumentException(
        component.getName() + ": expected " + expected + ", found \"" + text + "\"");
  }
}
