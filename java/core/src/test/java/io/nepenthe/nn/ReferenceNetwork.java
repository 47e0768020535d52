package io.nepenthe.nn;

import io.nepenthe.kernel.Padding;
import io.nepenthe.kernel.Window;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A network evaluated in plain Java and float64, one obvious loop a layer: what the engine is
 * compared with. Forward only; gradients are central differences.
 */
final class ReferenceNetwork {
  private final Network network;
  private final boolean batchStatistics;
  private final Map<String, double[]> values = new HashMap<>();

  /** With the model's values; {@code batchStatistics} as in {@link Mode#TRAIN}. */
  ReferenceNetwork(Model model, boolean batchStatistics) {
    this.network = model.network();
    this.batchStatistics = batchStatistics;
    List<Parameters.Parameter> all = new ArrayList<>(model.parameters().all());
    all.addAll(model.buffers().all());
    for (Parameters.Parameter parameter : all) {
      double[] copy = new double[Math.toIntExact(parameter.value().elements())];
      for (int i = 0; i < copy.length; i++) {
        copy[i] = parameter.value().get(i);
      }
      values.put(parameter.spec().name(), copy);
    }
  }

  /** The values of a parameter, to be changed for a difference. */
  double[] value(String name) {
    return values.get(name);
  }

  /** Σ weights · output for a batch of inputs. */
  double functional(double[] input, int batch, double[] weights) {
    double[] output = forward(input, batch);
    double sum = 0;
    for (int i = 0; i < output.length; i++) {
      sum += weights[i] * output[i];
    }
    return sum;
  }

  /** The output for a batch of inputs. */
  double[] forward(double[] input, int batch) {
    List<double[]> outputs = new ArrayList<>();
    for (int i = 0; i < network.nodes().size(); i++) {
      Network.Node node = network.nodes().get(i);
      if (i == 0) {
        outputs.add(input);
        continue;
      }
      double[] x = outputs.get(node.inputs().get(0));
      Extent in = network.extent(node.inputs().get(0));
      Extent out = network.extent(i);
      outputs.add(
          switch (node.layer()) {
            case Layer.Linear linear -> linear(linear, x, batch);
            case Layer.Conv2d conv -> convolution(conv, x, batch, in, out);
            case Layer.BatchNorm2d norm -> batchNorm(norm, x);
            case Layer.Relu _ -> map(x, v -> Math.max(v, 0));
            case Layer.Celu celu ->
                map(x, v -> v > 0 ? v : celu.alpha() * Math.expm1(v / celu.alpha()));
            case Layer.MaxPool pool -> pool(pool.window(), x, batch, in, out, Pool.MAX);
            case Layer.AveragePool pool ->
                pool(
                    pool.window(),
                    x,
                    batch,
                    in,
                    out,
                    pool.paddingCounts() ? Pool.MEAN_OF_ALL : Pool.MEAN);
            case Layer.GlobalAveragePool _ ->
                pool(Window.of((int) in.height(), (int) in.width()), x, batch, in, out, Pool.MEAN);
            case Layer.Pad pad -> pad(pad.padding(), x, batch, in, out);
            case Layer.Add _ -> add(x, outputs.get(node.inputs().get(1)));
            case Layer.Flatten _, Layer.Dropout _ -> x;
            case Layer.Input _ -> throw new AssertionError();
          });
    }
    return outputs.get(outputs.size() - 1);
  }

  private interface Function {
    double apply(double x);
  }

  private static double[] map(double[] x, Function function) {
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = function.apply(x[i]);
    }
    return y;
  }

  private static double[] add(double[] a, double[] b) {
    double[] y = a.clone();
    for (int i = 0; i < y.length; i++) {
      y[i] += b[i];
    }
    return y;
  }

  private double[] linear(Layer.Linear layer, double[] x, int batch) {
    int inputs = (int) layer.inputs();
    int outputs = (int) layer.outputs();
    double[] w = values.get(layer.name() + ".weight");
    double[] y = new double[batch * outputs];
    for (int n = 0; n < batch; n++) {
      for (int o = 0; o < outputs; o++) {
        double sum = layer.bias() ? values.get(layer.name() + ".bias")[o] : 0;
        for (int i = 0; i < inputs; i++) {
          sum += w[o * inputs + i] * x[n * inputs + i];
        }
        y[n * outputs + o] = sum;
      }
    }
    return y;
  }

  private double[] convolution(Layer.Conv2d layer, double[] x, int batch, Extent in, Extent out) {
    Window window = layer.window();
    int perGroupIn = (int) layer.inputs() / layer.groups();
    int perGroupOut = (int) layer.outputs() / layer.groups();
    int taps = window.kernelHeight() * window.kernelWidth();
    double[] w = values.get(layer.name() + ".weight");
    double[] y = new double[(int) (batch * out.elements())];
    for (int at = 0; at < y.length; at++) {
      int o = at % (int) out.channels();
      int column = at / (int) out.channels() % (int) out.width();
      int row = at / (int) (out.channels() * out.width()) % (int) out.height();
      int n = at / (int) out.elements();
      double sum = layer.bias() ? values.get(layer.name() + ".bias")[o] : 0;
      for (int t = 0; t < taps; t++) {
        int position = position(window, in, row, column, t);
        for (int c = 0; c < perGroupIn && position >= 0; c++) {
          int channel = o / perGroupOut * perGroupIn + c;
          double value = x[(int) (n * in.elements() + position * in.channels()) + channel];
          sum += w[(o * taps + t) * perGroupIn + c] * value;
        }
      }
      y[at] = sum;
    }
    return y;
  }

  /** The image position of a window's tap, or −1 in the padding. */
  private static int position(Window w, Extent in, int row, int column, int tap) {
    int y = row * w.strideHeight() - w.top() + tap / w.kernelWidth() * w.dilationHeight();
    int x = column * w.strideWidth() - w.left() + tap % w.kernelWidth() * w.dilationWidth();
    boolean inside = y >= 0 && y < in.height() && x >= 0 && x < in.width();
    return inside ? y * (int) in.width() + x : -1;
  }

  private enum Pool {
    MAX,
    MEAN,
    MEAN_OF_ALL
  }

  private static double[] pool(
      Window window, double[] x, int batch, Extent in, Extent out, Pool kind) {
    int taps = window.kernelHeight() * window.kernelWidth();
    double[] y = new double[(int) (batch * out.elements())];
    for (int at = 0; at < y.length; at++) {
      int c = at % (int) out.channels();
      int column = at / (int) out.channels() % (int) out.width();
      int row = at / (int) (out.channels() * out.width()) % (int) out.height();
      int n = at / (int) out.elements();
      double max = Double.NEGATIVE_INFINITY;
      double sum = 0;
      int count = 0;
      for (int t = 0; t < taps; t++) {
        int position = position(window, in, row, column, t);
        if (position >= 0) {
          double value = x[(int) (n * in.elements() + position * in.channels()) + c];
          max = Math.max(max, value);
          sum += value;
          count++;
        }
      }
      y[at] = kind == Pool.MAX ? max : sum / (kind == Pool.MEAN ? count : taps);
    }
    return y;
  }

  private static double[] pad(Padding padding, double[] x, int batch, Extent in, Extent out) {
    double[] y = new double[(int) (batch * out.elements())];
    for (int at = 0; at < y.length; at++) {
      int c = at % (int) out.channels();
      int column = at / (int) out.channels() % (int) out.width() - padding.left();
      int row = at / (int) (out.channels() * out.width()) % (int) out.height() - padding.top();
      int n = at / (int) out.elements();
      int i = within(row, (int) in.height(), padding.mode());
      int j = within(column, (int) in.width(), padding.mode());
      y[at] =
          i < 0 || j < 0
              ? padding.value()
              : x[(int) (n * in.elements() + (i * in.width() + j) * in.channels()) + c];
    }
    return y;
  }

  /** A position of an endless line of copies of a side, as one of the side; −1 is the constant. */
  private static int within(int i, int size, Padding.Mode mode) {
    return switch (mode) {
      case CONSTANT -> i >= 0 && i < size ? i : -1;
      case REFLECT ->
          size == 1 ? 0 : size - 1 - Math.abs(size - 1 - Math.floorMod(i, 2 * (size - 1)));
      case REPLICATE -> Math.clamp(i, 0, size - 1);
      case CIRCULAR -> Math.floorMod(i, size);
    };
  }

  private double[] batchNorm(Layer.BatchNorm2d layer, double[] x) {
    int channels = (int) layer.channels();
    double[] y = new double[x.length];
    for (int c = 0; c < channels; c++) {
      double mean = values.get(layer.name() + ".running_mean")[c];
      double variance = values.get(layer.name() + ".running_var")[c];
      if (batchStatistics) {
        mean = 0;
        for (int i = c; i < x.length; i += channels) {
          mean += x[i] * channels / x.length;
        }
        variance = 0;
        for (int i = c; i < x.length; i += channels) {
          variance += (x[i] - mean) * (x[i] - mean) * channels / x.length;
        }
      }
      double scale =
          values.get(layer.name() + ".weight")[c] / Math.sqrt(variance + layer.epsilon());
      double shift = values.get(layer.name() + ".bias")[c];
      for (int i = c; i < x.length; i += channels) {
        y[i] = (x[i] - mean) * scale + shift;
      }
    }
    return y;
  }
}
