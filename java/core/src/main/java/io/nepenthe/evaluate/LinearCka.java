package io.nepenthe.evaluate;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.CentredGram;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Owned;
import io.nepenthe.nn.ResidentModel;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
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
      try (Passes passes = new Passes(model, backend, data, normalisation)) {
        int done = 0;
        while (done < nodes.size()) {
          int end = passes.fitting(nodes, done);
          layers.add(passes, nodes.subList(done, end));
          done = end;
        }
      }
      return layers;
    }

    /** The kernels of some nodes, whose features lie where they are computed. */
    private void add(Passes passes, List<Integer> nodes) {
      try (Arena arena = Arena.ofShared()) {
        List<Tensor> features = passes.features(arena, nodes);
        for (int k = 0; k < nodes.size(); k++) {
          String name = ((Layer.Parametric) network.nodes().get(nodes.get(k)).layer()).name();
          // A tied layer has one name and several places.
          String unique = kernels.containsKey(name) ? name + "@" + nodes.get(k) : name;
          kernels.put(unique, passes.backend.centredGram(features.get(k)));
        }
      }
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

  /** Passes of a model over samples, batch by batch. */
  private static final class Passes implements AutoCloseable {
    private final Backend backend;
    private final Network network;
    private final long size;
    private final Batches batches;
    private final Normalisation normalisation;
    private final ResidentModel resident;
    private final Execution execution;

    Passes(Model model, Backend backend, Dataset data, Normalisation normalisation) {
      this.backend = backend;
      this.network = model.network();
      this.size = data.size();
      this.normalisation = normalisation;
      int batchSize = Math.clamp(size, 1, 128);
      this.batches = Batches.inOrder(data, batchSize);
      this.resident = new ResidentModel(model, backend);
      this.execution =
          Owned.orClose(
              resident::close,
              () -> new Execution(resident.here(), backend, batchSize, Mode.INFERENCE));
    }

    /**
     * The end of the nodes from {@code first} on whose features there is room for; at least one.
     */
    int fitting(List<Integer> nodes, int first) {
      long values = network.extent(nodes.get(first)).elements();
      int end = first + 1;
      while (end < nodes.size()) {
        values += network.extent(nodes.get(end)).elements();
        if (backend.fitting(values * Float.BYTES, (int) size) < size) {
          break;
        }
        end++;
      }
      return end;
    }

    /** For each node samples × values, with running statistics, where they are computed. */
    List<Tensor> features(Arena arena, List<Integer> nodes) {
      List<Tensor> features =
          nodes.stream()
              .map(node -> network.extent(node).elements())
              .map(values -> backend.zeros(arena, Shape.of(size, values)))
              .toList();
      int[] labels = new int[execution.maxBatch()];
      long[] ids = new long[labels.length];
      long start = 0;
      for (long b = 0; b < batches.count(); b++) {
        int n = execution.load(batches, b, labels, ids, normalisation);
        long first = start;
        execution.pass(
            n,
            (node, output) -> {
              int k = nodes.indexOf(node);
              if (k >= 0) {
                Tensor all = features.get(k);
                all.slice(first * all.shape().size(1), output.shape()).copyFrom(output);
              }
            });
        start += n;
      }
      return features;
    }

    @Override
    public void close() {
      execution.close();
      resident.close();
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
    try (Passes passes = new Passes(model, backend, data, normalisation);
        Arena arena = Arena.ofShared()) {
      return passes.features(arena, nodes).stream().map(all -> rows(all.toHost(arena))).toList();
    }
  }

  private static float[][] rows(Tensor all) {
    float[][] rows = new float[Math.toIntExact(all.shape().size(0))][];
    long each = all.shape().size(1);
    for (int i = 0; i < rows.length; i++) {
      rows[i] = all.slice(i * each, Shape.of(each)).toArray();
    }
    return rows;
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
    try (Arena arena = Arena.ofConfined()) {
      Tensor all = Tensor.zeros(arena, features.length, features[0].length);
      for (int i = 0; i < features.length; i++) {
        long first = (long) i * features[0].length;
        for (int d = 0; d < features[i].length; d++) {
          all.set(first + d, features[i][d]);
        }
      }
      return CentredGram.of(all);
    }
  }
}
