package io.nepenthe.curvature;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.ParametricLayer;
import java.util.Collection;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Whether keeping a pass's {@link Activations} costs less than later passes through the model:
 *
 * <pre>
 *   pays  iff  bytes ≤ limit  and  later · (model − read) &gt; write
 *   model = N · (operations / 100 GFLOP/s + bytes of activations that it moves / 10 GB/s)
 *   write = bytes / 1.5 GB/s,  read = bytes / 5 GB/s
 * </pre>
 *
 * <p>The rates are those of the two cores of docs/influence.md, rounded; files that do not stay in
 * the system's memory are read more slowly.
 *
 * @param bytes that are kept
 * @param limit the most that may be
 * @param laterPasses after the one that keeps them
 * @param modelSeconds a pass through the model, without what visits it
 * @param writeSeconds what keeping adds to the first pass
 * @param readSeconds a pass without the model
 */
public record ActivationPlan(
    long bytes,
    long limit,
    long laterPasses,
    double modelSeconds,
    double writeSeconds,
    double readSeconds) {
  private static final double OPERATIONS = 100e9;
  private static final double MOVED = 10e9;
  private static final double WRITTEN = 1.5e9;
  private static final double READ = 5e9;

  /**
   * Of the passes of influence scores.
   *
   * @param factors which layers are meant
   * @param laterPasses 0 where there is only one
   */
  public static ActivationPlan scores(
      Model model, FactorOptions factors, long samples, long laterPasses, long limit) {
    return of(model, layers(factors.blocks(model)), samples, 1, laterPasses, limit);
  }

  /** Of the passes of Kronecker factors and eigenvalues; a pass that has its own draws is alone. */
  public static ActivationPlan factors(
      Model model, FactorOptions factors, long samples, long laterPasses, long limit) {
    int outputs = Math.toIntExact(model.network().output().elements());
    int backward = new FisherVectors(factors, outputs, 0).passes();
    long later = factors.gradients().isPresent() ? laterPasses : 0;
    return of(model, layers(factors.blocks(model)), samples, backward, later, limit);
  }

  private static ActivationPlan of(
      Model model, Set<String> layers, long samples, int backward, long laterPasses, long limit) {
    double bytes = (double) samples * ActivationLayout.of(model, layers, backward).bytesPerSample();
    return new ActivationPlan(
        (long) bytes,
        limit,
        laterPasses,
        samples * modelSeconds(model, backward),
        bytes / WRITTEN,
        bytes / READ);
  }

  /** The names of the layers that these blocks belong to. */
  static Set<String> layers(Collection<ParameterBlock> blocks) {
    return blocks.stream().map(ParameterBlock::layer).collect(Collectors.toSet());
  }

  private static double modelSeconds(Model model, int backward) {
    double products = 0;
    double first = 0;
    for (ParametricLayer layer : model.layers()) {
      if (layer.layer() instanceof Layer.BatchNorm2d) {
        continue;
      }
      double weights = layer.weight().value().elements();
      double outputs = layer.weight().spec().shape().size(0);
      double own = 2 * weights * model.network().extent(layer.node()).elements() / outputs;
      first = products == 0 ? own : first;
      products += own;
    }
    Network network = model.network();
    double values = 0;
    for (int node = 0; node < network.nodes().size(); node++) {
      values += network.extent(node).elements();
    }
    // An output is written and read; its gradient too, and the output once more. The images need
    // no gradient.
    double operations = products + backward * (products - first);
    double moved = Float.BYTES * values * (2 + 3 * backward);
    return operations / OPERATIONS + moved / MOVED;
  }

  /** Whether activations can be kept of passes on this backend: they lie in a device's memory. */
  public static boolean possible(Backend backend, Model model) {
    return model.parameters().flat().onHost() && backend.holds(model.parameters().flat());
  }

  /** What all passes together take less; negative if they take more. */
  public double savedSeconds() {
    return laterPasses * (modelSeconds - readSeconds) - writeSeconds;
  }

  /** Whether they are to be kept. */
  public boolean pays() {
    return bytes <= limit && savedSeconds() > 0;
  }

  /** The decision and its reason, in a line. */
  @Override
  public String toString() {
    String size = size(bytes);
    if (laterPasses == 0) {
      return "activations are not kept: no later pass needs them";
    }
    if (bytes > limit) {
      return "activations are not kept: %s, more than the limit of %s".formatted(size, size(limit));
    }
    String times =
        String.format(
            Locale.ROOT,
            "a pass through the model takes about %.2g s; writing %s once %.2g s, reading %.2g s",
            modelSeconds,
            size,
            writeSeconds,
            readSeconds);
    return "activations are " + (pays() ? "kept: " : "not kept: ") + times;
  }

  private static String size(long bytes) {
    return String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
  }
}
