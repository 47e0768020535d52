package io.nepenthe.onnx;

import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.ParameterSpec;
import io.nepenthe.nn.Parameters;
import io.nepenthe.onnx.OnnxModel.Graph;
import io.nepenthe.onnx.schema.TensorProto.DataType;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** A network as it grows while a graph is read, and where the values of its tensors come from. */
final class NetworkCollector {
  private final String file;
  private final List<Network.Node> nodes = new ArrayList<>();
  private final List<Extent> extents = new ArrayList<>();
  private final List<Optional<Extent>> images = new ArrayList<>();
  private final Set<Integer> channelsLast = new HashSet<>();
  private final Map<Tie, String> ties = new HashMap<>();
  private final Map<String, Layouts.Style> styles = new HashMap<>();
  private final Map<String, Source> sources = new HashMap<>();
  private final Names layerNames = new Names();
  private final Names initialiserNames;
  private final Set<String> notes = new LinkedHashSet<>();

  /**
   * What a value of the graph is in the network.
   *
   * @param node that computes it
   * @param extent of a sample of it
   * @param transposed whether the file has this image channels last
   * @param ending what the file computed from it
   */
  record Value(int node, Extent extent, boolean transposed, Ending ending) {
    Value(int node, Extent extent) {
      this(node, extent, false, Ending.LOGITS);
    }
  }

  /**
   * Where the values of a tensor come from.
   *
   * @param constant in the file; of one value, it stands for all of them
   * @param alias the name by which the node has it
   * @param scale by which it is multiplied
   * @param inputsFirst whether these are I·O weights
   * @param shape that the initialiser keeps where it is not the usual one
   */
  record Source(
      Constant constant, String alias, float scale, boolean inputsFirst, Optional<Shape> shape) {}

  /** Two layers that are equal in this are one layer used twice. */
  private record Tie(Layer.Parametric unnamed, List<Part> parts, Optional<Extent> image) {}

  private record Part(String name, float scale, boolean inputsFirst) {}

  /**
   * Collects from a file.
   *
   * @param inFile whether a name is anything's in the file
   */
  NetworkCollector(String file, Predicate<String> inFile) {
    this.file = file;
    this.initialiserNames = new Names(inFile);
  }

  void note(String note) {
    notes.add(note);
  }

  Value input(String where, Extent extent) {
    return add(where, () -> new Layer.Input(extent), List.of());
  }

  /** A flattening layer before which the file has the image transposed. */
  Value flatten(String where, Value input) {
    if (input.transposed()) {
      channelsLast.add(nodes.size());
    }
    Value plain = new Value(input.node(), input.extent());
    return add(where, Layer.Flatten::new, List.of(plain));
  }

  /** A layer without parameters. */
  Value add(String where, Supplier<Layer> make, List<Value> inputs) {
    int node = nodes.size();
    List<Extent> sizes = inputs.stream().map(Value::extent).toList();
    try {
      Layer layer = make.get();
      Extent extent = layer.output(sizes);
      requireSize(where, extent);
      nodes.add(new Network.Node(layer, inputs.stream().map(Value::node).toList()));
      extents.add(extent);
      images.add(
          FlattenedImages.after(
              layer,
              inputs.stream().map(value -> images.get(value.node())).toList(),
              inputs.isEmpty() ? extent : inputs.get(0).extent(),
              channelsLast.contains(node)));
      return new Value(node, extent);
    } catch (IllegalArgumentException e) {
      throw new OnnxException(where, "what the engine computes", e.getMessage(), e);
    }
  }

  private static void requireSize(String where, Extent extent) {
    long most = Integer.MAX_VALUE;
    long area = Math.max(extent.height(), 1);
    if (area > most
        || extent.width() > most / area
        || extent.channels() > most / (area * Math.max(extent.width(), 1))) {
      throw new OnnxException(where, "at most " + most + " values a sample", extent.toString());
    }
  }

  /**
   * A layer with parameters.
   *
   * @param nodeName a name for it if its weights have none that fits
   * @param make the layer of a name
   * @param from the sources of its parameters and buffers, in their order
   */
  Value parametric(
      String where,
      String nodeName,
      Function<String, Layer.Parametric> make,
      List<Source> from,
      Value input) {
    Layer.Parametric unnamed;
    try {
      unnamed = make.apply("layer");
    } catch (IllegalArgumentException e) {
      throw new OnnxException(where, "what the engine computes", e.getMessage(), e);
    }
    List<Part> parts =
        from.stream().map(s -> new Part(s.constant().name(), s.scale(), s.inputsFirst())).toList();
    Tie tie = new Tie(unnamed, parts, images.get(input.node()));
    String name = ties.get(tie);
    if (name == null) {
      List<String> names = from.stream().map(this::initialiserName).toList();
      name = layerNames.fresh(layerName(names.get(0), nodeName));
      ties.put(tie, name);
      Layer.Parametric named = make.apply(name);
      List<ParameterSpec> specs = new ArrayList<>(named.parameters());
      specs.addAll(named.buffers());
      for (int i = 0; i < specs.size(); i++) {
        source(where, specs.get(i), from.get(i), names.get(i));
      }
    }
    String chosen = name;
    return add(where, () -> make.apply(chosen), List.of(input));
  }

  private static String layerName(String weight, String nodeName) {
    if (weight.endsWith(".weight") && weight.length() > ".weight".length()) {
      return weight.substring(0, weight.length() - ".weight".length());
    }
    return nodeName.isBlank() ? weight.isBlank() ? "layer" : weight : nodeName;
  }

  /** The name under which a tensor goes on: its own, unless another layer has that already. */
  private String initialiserName(Source source) {
    String name = source.constant().name();
    if (initialiserNames.take(name)) {
      return name;
    }
    String alias = source.alias();
    boolean free = !alias.equals(name) && initialiserNames.take(alias);
    String other = free ? alias : initialiserNames.fresh(alias);
    note(
        OnnxException.quote(name)
            + " is shared by layers that differ otherwise; a copy is named "
            + OnnxException.quote(other));
    return other;
  }

  private void source(String where, ParameterSpec spec, Source source, String name) {
    Constant constant = source.constant();
    if (constant.elements() != spec.shape().elements() && constant.elements() != 1) {
      throw new OnnxException(
          where,
          spec.shape().elements() + " values in " + OnnxException.quote(constant.name()),
          Long.toString(constant.elements()));
    }
    if (source.scale() != 1) {
      note(OnnxException.quote(name) + " is multiplied by " + source.scale() + " when read");
    }
    if (constant.type() == DataType.DOUBLE) {
      note(OnnxException.quote(name) + " is rounded from double to single precision");
    }
    sources.put(spec.name(), source);
    styles.put(spec.name(), new Layouts.Style(name, source.inputsFirst(), source.shape()));
  }

  /** The finished model. */
  OnnxModel finish(String input, String output, Value last, Map<String, String> metadata) {
    if (last.node() == 0 || last.node() != nodes.size() - 1) {
      throw new OnnxException(file, "an output that a layer computes", "the input");
    }
    Network network;
    List<Initialiser> layouts;
    try {
      network = new Network(nodes);
      layouts = Layouts.of(network, channelsLast, styles);
    } catch (IllegalArgumentException e) {
      throw new OnnxException(file, "a network that the engine computes", e.getMessage(), e);
    }
    requireModest(network);
    Graph graph = new Graph(input, output, last.ending(), channelsLast);
    Model model = Model.zeros(network);
    try {
      for (Initialiser layout : layouts) {
        fill(layout, model);
      }
      return new OnnxModel(model, layouts, graph, metadata, List.copyOf(notes), List.of());
    } catch (RuntimeException | Error e) {
      model.close();
      throw e;
    }
  }

  /** Many nodes that name one large tensor must not take many times its memory. */
  private void requireModest(Network network) {
    long inFile = 1 << 20;
    Set<String> counted = new HashSet<>();
    for (Source source : sources.values()) {
      if (counted.add(source.constant().name())) {
        inFile += source.constant().elements();
      }
    }
    if (network.parameterCount() > 4 * inFile) {
      throw new OnnxException(
          file, "weights of their own in most layers", "one tensor in very many layers");
    }
  }

  private void fill(Initialiser layout, Model model) {
    String name = layout.spec().name();
    boolean trained = layout.spec().role().ordinal() < ParameterSpec.Role.RUNNING_MEAN.ordinal();
    Parameters parameters = trained ? model.parameters() : model.buffers();
    Tensor values = parameters.get(name).value();
    Source source = sources.get(name);
    Constant constant = source.constant();
    boolean one = constant.elements() == 1;
    long strange = 0;
    for (long i = 0; i < values.elements(); i++) {
      float value = constant.real(one ? 0 : layout.onnxIndex(i));
      if (source.scale() != 1) {
        value *= source.scale();
      }
      strange += Float.isFinite(value) ? 0 : 1;
      values.set(i, value);
    }
    if (strange > 0) {
      note(
          OnnxException.quote(layout.name())
              + " has "
              + strange
              + " values that are not finite numbers");
    }
  }
}
