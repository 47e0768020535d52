package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.LayerVisitor;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The rows of every block and group of a model over a data set, for the float64 reference. */
final class Captured {
  /** By block name and group, "fc", "conv/1". */
  final Map<String, ReferenceBlock> blocks = new LinkedHashMap<>();

  /** With the passes of a Fisher information. */
  static Captured fisher(Model model, Dataset data, FactorOptions options, int stage) {
    Captured captured = new Captured();
    List<ParameterBlock> blocks = ParameterBlock.of(model, options.jointBias());
    try (Backend backend = Device.cpu(1).open();
        SamplePass pass = pass(model, backend, data)) {
      FisherVectors vectors =
          new FisherVectors(options, Math.toIntExact(model.network().output().elements()), stage);
      pass.passes(
          (done, total) -> {},
          (execution, first, count, labels, ids) ->
              vectors.backward(
                  execution, labels, ids, captured.new Listener(blocks, vectors.passes())));
    }
    return captured;
  }

  /** With the gradients of a measurement of the data's labels. */
  static Captured measured(Model model, Dataset data, Measurement measurement) {
    Captured captured = new Captured();
    List<ParameterBlock> blocks = ParameterBlock.of(model, true);
    OutputGradients gradients =
        new OutputGradients(
            Likelihood.CATEGORICAL, Math.toIntExact(model.network().output().elements()));
    try (Backend backend = Device.cpu(1).open();
        SamplePass pass = pass(model, backend, data)) {
      pass.run(
          (done, total) -> {},
          (execution, first, outputs, labels, ids) -> {
            for (int n = 0; n < outputs.shape().size(0); n++) {
              measurement.gradient(gradients, outputs, n, labels[n], execution.outputGradient());
            }
            execution.backward(execution.outputGradient(), captured.new Listener(blocks, 1));
          });
    }
    return captured;
  }

  private static SamplePass pass(Model model, Backend backend, Dataset data) {
    Normalisation plain = Normalisation.identity(data.image().channels());
    return new SamplePass(model, backend, data, plain, Math.toIntExact(data.size()));
  }

  /** Copies rows; the whole data are one batch. */
  private final class Listener implements FisherVectors.Listener, LayerVisitor {
    private final List<ParameterBlock> blocks;
    private final int passes;
    private int pass;
    private final Map<String, List<ReferenceBlock>> uses = new LinkedHashMap<>();

    Listener(List<ParameterBlock> blocks, int passes) {
      this.blocks = blocks;
      this.passes = passes;
    }

    @Override
    public void pass(int number) {
      pass = number;
    }

    @Override
    public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
      for (ParameterBlock block : blocks) {
        if (block.isDiagonal() || !block.layer().equals(layer.layer().name())) {
          continue;
        }
        for (int group = 0; group < block.groups(); group++) {
          String name = block.groups() == 1 ? block.name() : block.name() + "/" + group;
          List<ReferenceBlock> own = uses.computeIfAbsent(name, key -> new ArrayList<>());
          if (pass == 0) {
            own.add(
                new ReferenceBlock(
                    rows(block, group, input, outputGradient), new double[passes][][][]));
          }
          // Backward passes meet the uses from the last to the first.
          ReferenceBlock of = own.get(layer.uses() - 1 - layer.use());
          of.g()[pass] = gradients(block, group, outputGradient);
          if (pass == passes - 1 && layer.use() == 0) {
            Captured.this.blocks.put(name, own.stream().reduce(ReferenceBlock::with).orElseThrow());
          }
        }
      }
    }
  }

  private static double[][][] gradients(ParameterBlock block, int group, Tensor gradient) {
    Tensor image = ParameterBlock.image(gradient);
    Shape shape = image.shape();
    int outputs = Math.toIntExact(block.groupOutputs());
    int positions = Math.toIntExact(shape.size(1) * shape.size(2));
    double[][][] rows = new double[(int) shape.size(0)][positions][outputs];
    for (int n = 0; n < rows.length; n++) {
      for (int t = 0; t < positions; t++) {
        for (int o = 0; o < outputs; o++) {
          rows[n][t][o] =
              image.get(((long) n * positions + t) * shape.size(3) + group * outputs + o);
        }
      }
    }
    return rows;
  }

  private static double[][][] rows(ParameterBlock block, int group, Tensor input, Tensor gradient) {
    Tensor image = ParameterBlock.image(input);
    Shape in = image.shape();
    Window window = block.convolution().window();
    Shape out = ParameterBlock.image(gradient).shape();
    int height = (int) out.size(1);
    int width = (int) out.size(2);
    int columns = Math.toIntExact(block.columns());
    int channels = Math.toIntExact(in.size(3) / block.groups());
    double[][][] rows = new double[(int) in.size(0)][height * width][columns];
    for (int n = 0; n < rows.length; n++) {
      for (int t = 0; t < height * width; t++) {
        for (int j = 0; j < columns; j++) {
          rows[n][t][j] =
              block.part() == ParameterBlock.Part.BIAS || (block.appendsOne() && j == columns - 1)
                  ? 1
                  : value(image, window, n, t / width, t % width, j, group, channels);
        }
      }
    }
    return rows;
  }

  private static double value(
      Tensor image, Window window, int n, int oy, int ox, int j, int group, int channels) {
    Shape in = image.shape();
    long tap = j / channels;
    long y =
        (long) oy * window.strideHeight()
            - window.top()
            + tap / window.kernelWidth() * window.dilationHeight();
    long x =
        (long) ox * window.strideWidth()
            - window.left()
            + tap % window.kernelWidth() * window.dilationWidth();
    if (y < 0 || y >= in.size(1) || x < 0 || x >= in.size(2)) {
      return 0;
    }
    long channel = (long) group * channels + j % channels;
    return image.get(((n * in.size(1) + y) * in.size(2) + x) * in.size(3) + channel);
  }
}
