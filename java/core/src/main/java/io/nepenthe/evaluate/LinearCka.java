package io.nepenthe.evaluate;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.ResidentModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/**
 * Linear centred kernel alignment: how alike two models represent the same samples, layer by layer
 * (Kornblith, Norouzi, Lee, Hinton: "Similarity of neural network representations revisited", ICML
 * 2019): with centred features X and Y, ‖YᵀX‖² / (‖XᵀX‖·‖YᵀY‖), from 0 to 1. Computed by the
 * samples' n×n kernels XXᵀ and YYᵀ, which layers of any width share: 8·n² bytes each.
 */
public final class LinearCka {
  private LinearCka() {}

  /**
   * What one model makes of some samples: the centred kernel of every layer. Keep it where a model
   * is compared with several others.
   */
  public static final class Layers {
    private final Network network;
    private final SequencedMap<String, double[]> kernels = new LinkedHashMap<>();

    private Layers(Network network) {
      this.network = network;
    }

    /**
     * Asks a model, layer by layer.
     *
     * @param data not more than a few thousand samples; fewer than 46,341
     * @throws IllegalArgumentException if there are fewer than two samples
     */
    public static Layers of(
        Model model, Backend backend, Dataset data, Normalisation normalisation) {
      requireSeveral(data.size());
      Layers layers = new Layers(model.network());
      List<Network.Node> all = model.network().nodes();
      List<Integer> nodes =
          IntStream.range(0, all.size())
              .filter(
                  i ->
                      all.get(i).layer() instanceof Layer.Conv2d
                          || all.get(i).layer() instanceof Layer.Linear)
              .boxed()
              .toList();
      List<float[][]> features = features(model, backend, data, normalisation, nodes);
      for (int k = 0; k < nodes.size(); k++) {
        String name = ((Layer.Parametric) all.get(nodes.get(k)).layer()).name();
        // A tied layer has one name and several places.
        String unique = layers.kernels.containsKey(name) ? name + "@" + nodes.get(k) : name;
        layers.kernels.put(unique, centredKernel(features.get(k)));
      }
      return layers;
    }

    /**
     * The similarity after every convolution and linear layer.
     *
     * @param other of a model of the same network, for the same samples
     * @return by the layer's name, in node order
     * @throws IllegalArgumentException if the networks differ
     */
    public SequencedMap<String, Double> similarity(Layers other) {
      if (!network.equals(other.network)) {
        throw new IllegalArgumentException("the two models have different networks");
      }
      SequencedMap<String, Double> similarity = new LinkedHashMap<>();
      kernels.forEach(
          (name, kernel) -> similarity.put(name, alignment(kernel, other.kernels.get(name))));
      return similarity;
    }
  }

  /**
   * The outputs of some nodes for every sample, with running statistics.
   *
   * @param nodes indices of the network's nodes
   * @return for each node samples × values
   */
  public static List<float[][]> features(
      Model model,
      Backend backend,
      Dataset data,
      Normalisation normalisation,
      List<Integer> nodes) {
    int size = Math.toIntExact(data.size());
    int batchSize = Math.max(1, Math.min(size, 128));
    List<float[][]> features = new ArrayList<>();
    nodes.forEach(_ -> features.add(new float[size][]));
    int[] labels = new int[batchSize];
    long[] ids = new long[batchSize];
    Batches batches = Batches.inOrder(data, batchSize);
    try (ResidentModel resident = new ResidentModel(model, backend);
        Execution execution = new Execution(resident.here(), backend, batchSize, Mode.INFERENCE)) {
      for (long b = 0; b < batches.count(); b++) {
        int start = Math.toIntExact(b * batchSize);
        int n = execution.load(batches, b, labels, ids, normalisation);
        execution.forward(
            n,
            (node, output) -> {
              int k = nodes.indexOf(node);
              if (k >= 0) {
                float[] all = output.toArray();
                int each = all.length / n;
                for (int i = 0; i < n; i++) {
                  features.get(k)[start + i] = Arrays.copyOfRange(all, i * each, (i + 1) * each);
                }
              }
            });
      }
    }
    return features;
  }

  /**
   * The similarity of two sets of features of the same samples.
   *
   * @param one samples × values
   * @param other samples × values, perhaps another number
   * @return NaN where one is the same for all samples
   */
  public static double of(float[][] one, float[][] other) {
    requireSeveral(one.length);
    if (one.length != other.length) {
      throw new IllegalArgumentException(
          "features of the same samples: " + one.length + ", " + other.length);
    }
    return alignment(centredKernel(one), centredKernel(other));
  }

  private static void requireSeveral(long samples) {
    if (samples < 2) {
      throw new IllegalArgumentException("two or more samples are needed, found " + samples);
    }
  }

  private static double alignment(double[] first, double[] second) {
    double cross = 0;
    double own = 0;
    double others = 0;
    for (int i = 0; i < first.length; i++) {
      cross += first[i] * second[i];
      own += first[i] * first[i];
      others += second[i] * second[i];
    }
    return cross / Math.sqrt(own * others);
  }

  private static double[] centredKernel(float[][] features) {
    int n = features.length;
    int width = features[0].length;
    double[][] centred = new double[n][width];
    for (int d = 0; d < width; d++) {
      double sum = 0;
      for (float[] row : features) {
        sum += row[d];
      }
      for (int i = 0; i < n; i++) {
        centred[i][d] = features[i][d] - sum / n;
      }
    }
    double[] kernel = new double[Math.multiplyExact(n, n)];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double sum = dot(centred[i], centred[j]);
        kernel[i * n + j] = sum;
        kernel[j * n + i] = sum;
      }
    }
    return kernel;
  }

  /** In four lanes: one sum would wait for itself at every step. */
  private static double dot(double[] one, double[] other) {
    double a = 0;
    double b = 0;
    double c = 0;
    double d = 0;
    int i = 0;
    for (; i + 3 < one.length; i += 4) {
      a += one[i] * other[i];
      b += one[i + 1] * other[i + 1];
      c += one[i + 2] * other[i + 2];
      d += one[i + 3] * other[i + 3];
    }
    for (; i < one.length; i++) {
      a += one[i] * other[i];
    }
    return a + b + (c + d);
  }
}
