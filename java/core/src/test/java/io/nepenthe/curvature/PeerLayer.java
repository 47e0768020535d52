package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * A layer of the network that the peers were given, and what their files have of it. Their features
 * are ordered channel, then place; ours place, then channel.
 *
 * @param name in their files and in our network
 * @param outputs O
 * @param channels of its input
 * @param places a kernel's, or those of the image that was flattened
 */
record PeerLayer(String name, int outputs, int channels, int places) {
  static final int SAMPLES = 12;
  static final int QUERIES = 4;

  private static final int CLASSES = 3;
  private static final ImageShape IMAGE = new ImageShape(5, 5, 2);
  private static final Window WINDOW = Window.square(3).withStride(2).withPadding(1);

  static final List<PeerLayer> ALL =
      List.of(
          new PeerLayer("0", 3, 2, 9), new PeerLayer("3", 6, 3, 9), new PeerLayer("5", 3, 6, 1));

  static SafetensorsFile open(String peer) {
    try {
      return SafetensorsFile.open(
          Path.of(PeerLayer.class.getResource(peer + ".safetensors").toURI()));
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** A tensor of numbers of any type. */
  static double[] doubles(SafetensorsFile file, String name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment values = file.values(name, arena);
      return switch (file.type(name)) {
        case F64 -> values.toArray(ValueLayout.JAVA_DOUBLE);
        case I64 -> Arrays.stream(values.toArray(ValueLayout.JAVA_LONG)).asDoubleStream().toArray();
        case F32 -> {
          float[] floats = values.toArray(ValueLayout.JAVA_FLOAT);
          double[] doubles = new double[floats.length];
          Arrays.setAll(doubles, i -> floats[i]);
          yield doubles;
        }
      };
    }
  }

  /** The network with their weights. */
  static Model model(SafetensorsFile file) {
    Model model =
        Model.zeros(
            Network.builder(Extent.image(5, 5, 2))
                .then(new Layer.Conv2d("0", 2, 3, WINDOW, true))
                .then(new Layer.Relu())
                .then(new Layer.Flatten())
                .then(new Layer.Linear("3", 27, 6, true))
                .then(new Layer.Relu())
                .then(new Layer.Linear("5", 6, CLASSES, true))
                .build());
    for (PeerLayer layer : ALL) {
      double[] weights = doubles(file, "weight." + layer.name + ".weight");
      Tensor own = model.parameters().get(layer.name + ".weight").value();
      for (int i = 0; i < weights.length; i++) {
        int row = i / layer.features() * layer.features();
        own.set(i, (float) weights[row + layer.place(i % layer.features())]);
      }
      double[] bias = doubles(file, "weight." + layer.name + ".bias");
      Tensor shift = model.parameters().get(layer.name + ".bias").value();
      for (int i = 0; i < bias.length; i++) {
        shift.set(i, (float) bias[i]);
      }
    }
    return model;
  }

  /** Without the bias's. */
  int features() {
    return channels * places;
  }

  int parameters() {
    return outputs * (features() + 1);
  }

  /** Their position of our feature; of the bias its own. */
  private int place(int ours) {
    return ours == features() ? ours : ours % channels * places + ours / channels;
  }

  /** A matrix [outputs, features and bias] in our order. */
  double[] ours(double[] theirs) {
    double[] out = new double[theirs.length];
    int width = features() + 1;
    Arrays.setAll(out, i -> theirs[i / width * width + place(i % width)]);
    return out;
  }

  double[] theirs(double[] ours) {
    double[] out = new double[ours.length];
    int width = features() + 1;
    for (int i = 0; i < out.length; i++) {
      out[i / width * width + place(i % width)] = ours[i];
    }
    return out;
  }

  /** Some columns of such a matrix. */
  double[] take(double[] matrix, int from, int to) {
    double[] out = new double[outputs * (to - from)];
    Arrays.setAll(out, i -> matrix[i / (to - from) * (features() + 1) + from + i % (to - from)]);
    return out;
  }

  void put(double[] part, double[] matrix, int from, int to) {
    for (int i = 0; i < part.length; i++) {
      matrix[i / (to - from) * (features() + 1) + from + i % (to - from)] = part[i];
    }
  }

  /** The matrix of one of two vectors that lie beside each other: weights, then biases. */
  double[] gather(double[] vectors, int first, int vector) {
    double[] matrix = new double[parameters()];
    for (int i = 0; i < matrix.length; i++) {
      matrix[i] = vectors[2 * (first + at(i)) + vector];
    }
    return matrix;
  }

  void scatter(double[] matrix, double[] vectors, int first, int vector) {
    for (int i = 0; i < matrix.length; i++) {
      vectors[2 * (first + at(i)) + vector] = matrix[i];
    }
  }

  private int at(int entry) {
    int row = entry / (features() + 1);
    int column = entry % (features() + 1);
    return column == features() ? outputs * features() + row : row * features() + column;
  }

  /** Its rows, with one pass of gradients. */
  ReferenceBlock block(SafetensorsFile file, String split) {
    return new ReferenceBlock(inputs(file, split), new double[][][][] {gradients(file, split)});
  }

  /** With the passes of the exact Fisher information. */
  ReferenceBlock exact(SafetensorsFile inputs, SafetensorsFile gradients) {
    double[][][][] passes = new double[CLASSES][][][];
    Arrays.setAll(passes, c -> gradients(gradients, "type2." + c));
    return new ReferenceBlock(inputs(inputs, "train"), passes);
  }

  /** The block of some of the features. */
  static ReferenceBlock columns(ReferenceBlock block, int from, int to) {
    double[][][] some =
        Arrays.stream(block.a())
            .map(
                rows ->
                    Arrays.stream(rows)
                        .map(row -> Arrays.copyOfRange(row, from, to))
                        .toArray(double[][]::new))
            .toArray(double[][][]::new);
    return new ReferenceBlock(some, block.g());
  }

  private boolean convolves() {
    return name.equals("0");
  }

  private double[][][] inputs(SafetensorsFile file, String split) {
    double[] all = doubles(file, split + ".input." + name);
    int samples = split.equals("query") ? QUERIES : SAMPLES;
    double[][][] rows = new double[samples][convolves() ? 9 : 1][features() + 1];
    for (int n = 0; n < samples; n++) {
      for (int t = 0; t < rows[n].length; t++) {
        for (int j = 0; j < features(); j++) {
          rows[n][t][j] =
              convolves() ? pixel(all, 2 * n + j / 9, t, j % 9) : all[n * features() + j];
        }
        rows[n][t][features()] = 1;
      }
    }
    return rows;
  }

  /** What a place of the kernel meets at one of the 3 × 3 positions, 0 in the padding. */
  private static double pixel(double[] all, int plane, int position, int place) {
    int y = position / 3 * 2 - 1 + place / 3;
    int x = position % 3 * 2 - 1 + place % 3;
    return y < 0 || y >= 5 || x < 0 || x >= 5 ? 0 : all[(plane * 5 + y) * 5 + x];
  }

  private double[][][] gradients(SafetensorsFile file, String split) {
    double[] all = doubles(file, split + ".gradient." + name);
    int samples = split.equals("query") ? QUERIES : SAMPLES;
    int positions = convolves() ? 9 : 1;
    double[][][] rows = new double[samples][positions][outputs];
    for (int i = 0; i < all.length; i++) {
      rows[i / positions / outputs][i % positions][i / positions % outputs] = all[i];
    }
    return rows;
  }

  static Images data(SafetensorsFile file, boolean queries) {
    return new Images(
        doubles(file, queries ? "query_images" : "images"),
        doubles(file, queries ? "query_labels" : "labels"));
  }

  /**
   * Their images.
   *
   * @param all [image, channel, row, column]
   * @param labels of each
   */
  record Images(double[] all, double[] labels) implements Dataset {
    @Override
    public String name() {
      return "peers";
    }

    @Override
    public long size() {
      return labels.length;
    }

    @Override
    public ImageShape image() {
      return IMAGE;
    }

    @Override
    public int classes() {
      return CLASSES;
    }

    @Override
    public List<String> classNames() {
      return List.of("0", "1", "2");
    }

    @Override
    public int label(long index) {
      return (int) labels[(int) index];
    }

    @Override
    public long id(long index) {
      return index;
    }

    @Override
    public void pixels(long index, MemorySegment out, long floatOffset) {
      for (int i = 0; i < 50; i++) {
        float value = (float) all[(int) index * 50 + i % 2 * 25 + i / 2];
        out.setAtIndex(ValueLayout.JAVA_FLOAT, floatOffset + i, value);
      }
    }
  }
}
