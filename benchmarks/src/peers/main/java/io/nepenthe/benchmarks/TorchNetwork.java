package io.nepenthe.benchmarks;

import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.ParameterSpec;
import io.nepenthe.nn.Parameters;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.PointerConsumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * One of this library's networks computed by libtorch with the same weights, so that both do the
 * same work on the same numbers. Images and convolution weights are channels last, libtorch's
 * fastest layout here.
 */
final class TorchNetwork implements AutoCloseable {
  private final Network network;
  private final Map<String, Tensor> parameters = new LinkedHashMap<>();
  private final Map<String, Tensor> buffers = new LinkedHashMap<>();
  private final TensorVector trained = new TensorVector();

  /** Copies the model's weights and statistics. */
  TorchNetwork(Model model) {
    network = model.network();
    for (Parameters.Parameter parameter : model.parameters().all()) {
      Tensor value = weight(parameter);
      value.set_requires_grad(true);
      parameters.put(parameter.spec().name(), value);
      trained.push_back(value);
    }
    for (Parameters.Parameter buffer : model.buffers().all()) {
      Tensor value = weight(buffer);
      buffers.put(buffer.spec().name(), value);
    }
  }

  /** The trained tensors, in the order of the model's parameters. */
  TensorVector trained() {
    return trained;
  }

  /** A trained tensor by the model's name for it. */
  Tensor parameter(String name) {
    return parameters.get(name);
  }

  /** A copy of images N·H·W·C or vectors N·C as libtorch wants them. */
  static Tensor input(io.nepenthe.tensor.Tensor values, Extent extent) {
    long samples = values.elements() / extent.elements();
    if (extent.isVector()) {
      return copy(values, samples, extent.channels());
    }
    return copy(values, samples, extent.height(), extent.width(), extent.channels())
        .permute(0, 3, 1, 2);
  }

  private static Tensor weight(Parameters.Parameter parameter) {
    ParameterSpec spec = parameter.spec();
    long[] sizes = new long[spec.shape().rank()];
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] = spec.shape().size(i);
    }
    Tensor value = copy(parameter.value(), sizes);
    return sizes.length == 4 ? value.permute(0, 3, 1, 2) : value;
  }

  private static Tensor copy(io.nepenthe.tensor.Tensor values, long... sizes) {
    FloatPointer pointer =
        new FloatPointer(
            values.segment().asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer());
    return torch.from_blob(pointer, sizes, strides(sizes), (PointerConsumer) null).clone();
  }

  private static long[] strides(long... sizes) {
    long[] strides = new long[sizes.length];
    long stride = 1;
    for (int i = sizes.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= sizes[i];
    }
    return strides;
  }

  /**
   * The output for a batch.
   *
   * @param training whether batch normalisation uses the batch's statistics and updates its own
   */
  Tensor forward(Tensor input, boolean training) {
    List<Tensor> values = new ArrayList<>();
    for (Network.Node node : network.nodes()) {
      Tensor x = node.inputs().isEmpty() ? input : values.get(node.inputs().getFirst());
      values.add(
          switch (node.layer()) {
            case Layer.Input _ -> x;
            case Layer.Linear layer ->
                torch.linear(
                    x, parameters.get(layer.name() + ".weight"), bias(layer, layer.bias()));
            case Layer.Conv2d layer -> convolve(layer, x);
            case Layer.BatchNorm2d layer -> normalise(layer, x, training);
            case Layer.Relu _ -> torch.relu(x);
            case Layer.MaxPool layer -> pool(layer.window(), x);
            case Layer.GlobalAveragePool _ -> torch.adaptive_avg_pool2d(x, 1, 1);
            case Layer.Add _ -> x.add(values.get(node.inputs().get(1)));
            case Layer.Flatten _ -> x.permute(0, 2, 3, 1).flatten(1, -1);
            case Layer.Celu _, Layer.AveragePool _, Layer.Pad _, Layer.Dropout _ ->
                throw new IllegalArgumentException("no peer for " + node.layer());
          });
    }
    return values.getLast();
  }

  private TensorOptional bias(Layer.Parametric layer, boolean there) {
    return there
        ? new TensorOptional(parameters.get(layer.name() + ".bias"))
        : new TensorOptional();
  }

  private Tensor convolve(Layer.Conv2d layer, Tensor x) {
    Window window = layer.window();
    return torch.conv2d(
        x,
        parameters.get(layer.name() + ".weight"),
        bias(layer, layer.bias()),
        new long[] {window.strideHeight(), window.strideWidth()},
        padding(window),
        new long[] {window.dilationHeight(), window.dilationWidth()},
        layer.groups());
  }

  private Tensor normalise(Layer.BatchNorm2d layer, Tensor x, boolean training) {
    return torch.batch_norm(
        x,
        new TensorOptional(parameters.get(layer.name() + ".weight")),
        new TensorOptional(parameters.get(layer.name() + ".bias")),
        new TensorOptional(buffers.get(layer.name() + ".running_mean")),
        new TensorOptional(buffers.get(layer.name() + ".running_var")),
        training,
        layer.momentum(),
        layer.epsilon(),
        true);
  }

  private static Tensor pool(Window window, Tensor x) {
    return torch.max_pool2d(
        x,
        new long[] {window.kernelHeight(), window.kernelWidth()},
        new long[] {window.strideHeight(), window.strideWidth()},
        padding(window),
        new long[] {1, 1},
        false);
  }

  private static long[] padding(Window window) {
    return new long[] {window.top(), window.left()};
  }

  @Override
  public void close() {
    trained.close();
    parameters.values().forEach(Tensor::close);
    buffers.values().forEach(Tensor::close);
  }
}
