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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * Linear centred kernel alignment: how alike two models represent the same samples, layer by layer
 * (Kornblith, Norouzi, Lee, Hinton: "Similarity of neural network representations revisited", ICML
 * 2019): with centred features X and Y, ‖YᵀX‖² / (‖XᵀX‖·‖YᵀY‖), from 0 to 1. Computed by the
 * samples' n×n kernels XXᵀ and YYᵀ, which layers of any width share: 8·n² bytes each.
 */
public final class LinearCka {
  private LinearCka() {}

  /**
   * The similarity after every convolution and linear layer.
   *
   * @param data not more than a few thousand samples; fewer than 46,341
   * @return by the layer's name, in node order
   * @throws IllegalArgumentException if the networks differ or there are fewer than two samples
   */
  public static SequencedMap<String, Double> byLayer(
      Model one, Model other, Backend backend, Dataset data, Normalisation normalisation) {
    if (!one.network().equals(other.network())) {
      throw new IllegalArgumentException("the two models have different networks");
    }
    List<Integer> nodes = new ArrayList<>();
    for (int i = 0; i < one.network().nodes().size(); i++) {
      Layer layer = one.network().nodes().get(i).layer();
      if (layer instanceof Layer.Conv2d || layer instanceof Layer.Linear) {
        nodes.add(i);
      }
    }
    List<float[][]> first = features(one, backend, data, normalisation, nodes);
    List<float[][]> second = features(other, backend, data, normalisation, nodes);
    SequencedMap<String, Double> similarity = new LinkedHashMap<>();
    for (int k = 0; k < nodes.size(); k++) {
      Network.Node node = one.network().nodes().get(nodes.get(k));
      String name = ((Layer.Parametric) node.layer()).name();
      // A tied layer has one name and several places.
      String unique = similarity.containsKey(name) ? name + "@" + nodes.get(k) : name;
      similarity.put(unique, of(first.get(k), second.get(k)));
    }
    return similarity;
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
    try (Execution execution = new Execution(model, backend, batchSize, Mode.INFERENCE)) {
      for (long b = 0; b < batches.count(); b++) {
        int start = Math.toIntExact(b * batchSize);
        int n = Math.min(batchSize, size - start);
        batches.fill(b, execution.input(n).segment(), labels, ids, normalisation);
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
    if (one.length != other.length || one.length < 2) {
      throw new IllegalArgumentException(
          "features of the same two or more samples: " + one.length + ", " + other.length);
    }
    double[] first = centredKernel(one);
    double[] second = centredKernel(other);
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
        double sum = 0;
        for (int d = 0; d < width; d++) {
          sum += centred[i][d] * centred[j][d];
        }
        kernel[i * n + j] = sum;
        kernel[j * n + i] = sum;
      }
    }
    return kernel;
  }
}
