package io.nepenthe.nn;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/**
 * Named tensors in one contiguous flat tensor, one after the other without padding: a flat index is
 * a parameter's index, so masks, ranks and counts need no exceptions. (The views are 4-byte aligned
 * only; kernels take that.)
 */
public final class Parameters {
  private final List<ParameterSpec> specs;
  private final Tensor flat;
  private final Map<String, Parameter> byName = new LinkedHashMap<>();

  /**
   * One named part.
   *
   * @param spec name, shape, role
   * @param offset its first flat index
   * @param value a view of its values
   */
  public record Parameter(ParameterSpec spec, long offset, Tensor value) {}

  private Parameters(List<ParameterSpec> specs, Tensor flat) {
    this.specs = List.copyOf(specs);
    this.flat = flat;
    long offset = 0;
    for (ParameterSpec spec : specs) {
      Tensor view = flat.slice(offset, spec.shape());
      if (byName.put(spec.name(), new Parameter(spec, offset, view)) != null) {
        throw new IllegalArgumentException("two parameters are named " + spec.name());
      }
      offset += spec.shape().elements();
    }
  }

  /** New parameters of zeros in {@code arena}. */
  public static Parameters zeros(Arena arena, List<ParameterSpec> specs) {
    return zeros(arena, specs, (where, shape) -> Tensor.zeros(where, shape));
  }

  /**
   * New parameters of zeros in {@code arena}.
   *
   * @param memory makes a tensor of zeros, for instance {@link io.nepenthe.kernel.Backend#zeros}
   */
  public static Parameters zeros(
      Arena arena, List<ParameterSpec> specs, BiFunction<Arena, Shape, Tensor> memory) {
    return new Parameters(specs, memory.apply(arena, Shape.of(count(specs))));
  }

  /**
   * The parts of {@code flat} by these names.
   *
   * @throws IllegalArgumentException if it does not have exactly their number of values, or a name
   *     occurs twice
   */
  public static Parameters of(List<ParameterSpec> specs, Tensor flat) {
    if (flat.elements() != count(specs)) {
      throw new IllegalArgumentException(
          "the parameters take " + count(specs) + " values, found " + flat.elements());
    }
    return new Parameters(specs, flat.reshape(Shape.of(flat.elements())));
  }

  private static long count(List<ParameterSpec> specs) {
    return specs.stream().mapToLong(spec -> spec.shape().elements()).sum();
  }

  /** Zeros in {@code arena} under the same names: a gradient, an importance, a momentum. */
  public Parameters zerosLike(Arena arena) {
    return zeros(arena, specs);
  }

  /** The same in memory of the given kind. */
  public Parameters zerosLike(Arena arena, BiFunction<Arena, Shape, Tensor> memory) {
    return zeros(arena, specs, memory);
  }

  /** All values, of one dimension. */
  public Tensor flat() {
    return flat;
  }

  /** The number of values. */
  public long count() {
    return flat.elements();
  }

  /** Names, shapes and roles, in flat order. */
  public List<ParameterSpec> specs() {
    return specs;
  }

  /** The parts, in flat order. */
  public List<Parameter> all() {
    return new ArrayList<>(byName.values());
  }

  /**
   * The part of that name.
   *
   * @throws IllegalArgumentException if there is none
   */
  public Parameter get(String name) {
    Parameter parameter = byName.get(name);
    if (parameter == null) {
      throw new IllegalArgumentException("no parameter is named " + name);
    }
    return parameter;
  }
}
