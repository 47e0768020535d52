package io.nepenthe.nn;

import io.nepenthe.data.Batches;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.LossVectors;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * Forward and backward passes of a model on a backend. The passes are planned once for each batch
 * size, at its first use; after that, a step allocates nothing. Weights are read anew at every
 * pass, so they may be changed between passes by anything (a model of the host is copied to a
 * device for every pass: {@link ResidentModel} saves that). Used by one thread at a time; close it
 * before its model and its backend.
 */
public final class Execution implements AutoCloseable {
  private final Model model;
  private final ResidentModel resident;
  private final Context context;

  /** Input, output and its gradient on the host, where the passes run elsewhere; else null. */
  private final HostCopies host;

  private final int maxBatch;
  private final Arena arena = Arena.ofShared();
  private final List<BatchPlan> plans = new ArrayList<>();
  private BatchPlan current;
  private boolean forwarded;

  /** Whether the device's input is newer than the host's. */
  private boolean loaded;

  /** What the plans of one execution share. */
  record Context(
      Model model,
      Network network,
      Backend backend,
      Mode mode,
      int firstTrained,
      MemoryPlan memory,
      List<Tensor> blocks,
      Draws draws) {
    /** What a node's layer is for: those before the first trained one are frozen. */
    Mode mode(int node) {
      return mode == Mode.TRAIN && node < firstTrained ? Mode.FROZEN : mode;
    }
  }

  /** The stream of each dropout layer at the current pass. */
  static final class Draws {
    private long seed;
    private long pass;

    long key(int node) {
      return Counter.bits(Counter.bits(seed, pass), node);
    }
  }

  /**
   * Passes over batches of up to {@code maxBatch} samples.
   *
   * @throws IllegalArgumentException if {@code maxBatch} is not positive
   */
  public Execution(Model model, Backend backend, int maxBatch, Mode mode) {
    this(model, backend, maxBatch, mode, 0);
  }

  /**
   * The same with the nodes before {@code firstTrained} frozen: they normalise with running
   * statistics, which do not change, dropout does not act in them, and the backward pass stops
   * before them, so that a visitor does not see them.
   *
   * @param firstTrained a node's index; 0 freezes nothing
   * @throws IllegalArgumentException if there is no such node, or {@code maxBatch} is not positive
   */
  public Execution(Model model, Backend backend, int maxBatch, Mode mode, int firstTrained) {
    Layers.positive("maxBatch", maxBatch);
    if (firstTrained < 0 || firstTrained >= model.network().nodes().size()) {
      throw new IllegalArgumentException(
          "firstTrained must be a node, found "
              + firstTrained
              + " of "
              + model.network().nodes().size());
    }
    this.model = model;
    this.maxBatch = maxBatch;
    MemoryPlan memory = new MemoryPlan(model.network(), mode);
    backend.requireRoom(bytesPerSample(memory), maxBatch);
    List<Tensor> blocks =
        Owned.orClose(
            arena::close,
            () ->
                memory.sizes().stream()
                    .map(size -> backend.zeros(arena, Shape.of(size * maxBatch)))
                    .toList());
    this.host =
        backend.holds(Model.EMPTY)
            ? null
            : Owned.orClose(arena::close, () -> new HostCopies(arena, model.network(), maxBatch));
    this.resident = Owned.orClose(arena::close, () -> new ResidentModel(model, backend));
    this.context =
        new Context(
            resident.here(),
            model.network(),
            backend,
            mode,
            firstTrained,
            memory,
            blocks,
            new Draws());
  }

  /**
   * The largest batch of at most {@code wanted} samples whose activations and gradients the
   * backend's device has room for, at least 1.
   */
  public static int fitting(Model model, Backend backend, int wanted, Mode mode) {
    return backend.fitting(bytesPerSample(new MemoryPlan(model.network(), mode)), wanted);
  }

  /** The bytes of activations and gradients that a sample of a batch takes. */
  public static long bytesPerSample(Network network, Mode mode) {
    return bytesPerSample(new MemoryPlan(network, mode));
  }

  private static long bytesPerSample(MemoryPlan memory) {
    return memory.sizes().stream().mapToLong(Long::longValue).sum() * Float.BYTES;
  }

  /** What it is for. */
  public Mode mode() {
    return context.mode;
  }

  /** The model whose weights it reads. */
  public Model model() {
    return model;
  }

  /** The largest batch. */
  public int maxBatch() {
    return maxBatch;
  }

  /** The bytes of activations and gradients. */
  public long memoryBytes() {
    return context.blocks.stream().mapToLong(block -> block.shape().bytes()).sum();
  }

  /** Chooses the draws of dropout: the n-th pass after this is determined by the seed and n. */
  public void seedDropout(long seed) {
    context.draws.seed = seed;
    context.draws.pass = 0;
  }

  /**
   * The memory of the input for a batch of this size, to be filled before {@link #forward(int)}; on
   * the host, whatever the backend.
   *
   * @throws IllegalArgumentException if {@code batch} is not in 1…maxBatch
   */
  public Tensor input(int batch) {
    Tensor input = plan(batch).input();
    loaded = false;
    return host == null ? input : host.input(input);
  }

  /**
   * Makes a batch of a data set the next pass's input. Where the passes run on a device and the
   * images are bytes, these go there, a quarter of what floats take, and become the same floats
   * there; {@link #input} then does not hold them.
   *
   * @param labels receives the images' classes
   * @param ids receives their ids
   * @return the number of images
   */
  public int load(
      Batches batches, long batch, int[] labels, long[] ids, Normalisation normalisation) {
    int n = batches.size(batch);
    Tensor input = plan(n).input();
    loaded = host != null && batches.fillBytes(batch, host.bytes(input), labels, ids);
    if (loaded) {
      context.backend.dense().decode(host.bytes(input), batches.ofBytes(normalisation), input);
    } else {
      batches.fill(batch, input(n).segment(), labels, ids, normalisation);
    }
    return n;
  }

  /**
   * Computes the output for what {@link #input} holds.
   *
   * @return batch × classes, on the host; valid until the next pass
   */
  public Tensor forward(int batch) {
    return forward(batch, OutputVisitor.NONE);
  }

  /**
   * The same, showing every node's output, on the host, to {@code visitor} as soon as it is
   * computed.
   */
  public Tensor forward(int batch, OutputVisitor visitor) {
    boolean here = host == null || visitor == OutputVisitor.NONE;
    pass(batch, here ? visitor : host.shown(visitor));
    return bring(batch);
  }

  /**
   * The same, but the output stays where it is computed, and nobody waits for it: {@link #bring}
   * brings it to the host.
   */
  public void pass(int batch) {
    pass(batch, OutputVisitor.NONE);
  }

  /** The same, showing every node's output where it is computed. */
  public void pass(int batch, OutputVisitor visitor) {
    pass(plan(batch), visitor);
  }

  /** The output of the last {@link #pass}, on the host. */
  public Tensor bring(int batch) {
    BatchPlan plan = plan(batch);
    if (host != null) {
      host.output(plan.output()).copyFrom(plan.output());
    }
    return output(batch);
  }

  /**
   * Copies the output of the last {@link #pass}, from where it is computed, to a tensor anywhere.
   */
  public void copyOutput(Tensor to) {
    if (!forwarded) {
      throw new IllegalStateException("there was no forward pass");
    }
    to.copyFrom(current.output());
  }

  private void pass(BatchPlan plan, OutputVisitor visitor) {
    forwarded = false;
    context.draws.pass++;
    if (host == null) {
      plan.forward(visitor);
    } else {
      resident.refresh();
      if (!loaded) {
        plan.input().copyFrom(host.input(plan.input()));
      }
      plan.forward(visitor);
      if (context.mode == Mode.TRAIN) {
        resident.bringBuffers();
      }
    }
    forwarded = true;
  }

  /** The output of the last forward pass over a batch of this size. */
  public Tensor output(int batch) {
    Tensor output = plan(batch).output();
    return host == null ? output : host.output(output);
  }

  /**
   * Copies {@code input} and computes the output for it.
   *
   * @param input samples × the network's input extent
   * @throws IllegalArgumentException if the shape is another
   */
  public Tensor forward(Tensor input) {
    if (input.shape().rank() == 0 || input.shape().size(0) > maxBatch) {
      throw new IllegalArgumentException(
          "at most " + maxBatch + " samples at once, found shape " + input.shape());
    }
    int batch = (int) input.shape().size(0);
    input(batch).copyFrom(input);
    return forward(batch);
  }

  /**
   * The memory of the output's gradient for the batch of the last forward pass: a loss may write
   * there, and {@link #backward} then copies nothing.
   */
  public Tensor outputGradient() {
    Tensor gradient = lastForward().outputGradient();
    return host == null ? gradient : host.gradient(gradient);
  }

  /**
   * Propagates the gradient of the last forward pass back through the activations, and shows every
   * parametrised layer's input and output gradient to {@code visitor}. No parameter gradient is
   * made here. Several backward passes may follow one forward pass.
   *
   * @param lossGradient row n is the gradient of sample n's loss with respect to its output
   * @throws IllegalStateException if there was no forward pass, or the mode has no backward pass
   */
  public void backward(Tensor lossGradient, LayerVisitor visitor) {
    BatchPlan plan = lastForward();
    Tensor own = plan.outputGradient();
    if (lossGradient.address() != own.address()) {
      own.copyFrom(lossGradient);
    }
    plan.backward(visitor);
  }

  /** Makes the output's gradient of the output, both where the passes run. */
  @FunctionalInterface
  public interface Start {
    /** Row n of {@code gradient} is to be that of sample n's loss. */
    void write(Tensor output, Tensor gradient);
  }

  /** The same from a gradient that is made where the last forward pass left its output. */
  public void backward(Start start, LayerVisitor visitor) {
    BatchPlan plan = lastForward();
    start.write(plan.output(), plan.outputGradient());
    plan.backward(visitor);
  }

  /** The same from vectors that are made there. */
  public void backward(LossVectors vectors, LayerVisitor visitor) {
    // Not by the method above: a lambda that captures would be an object a batch.
    BatchPlan plan = lastForward();
    context.backend.dense().lossVectors(plan.output(), vectors, plan.outputGradient());
    plan.backward(visitor);
  }

  private BatchPlan lastForward() {
    if (!context.mode.backward()) {
      throw new IllegalStateException("mode " + context.mode + " has no backward pass");
    }
    if (!forwarded) {
      throw new IllegalStateException("there was no forward pass");
    }
    return current;
  }

  private BatchPlan plan(int batch) {
    if (current != null && current.batch() == batch) {
      return current;
    }
    if (batch < 1 || batch > maxBatch) {
      throw new IllegalArgumentException("batch must be in 1…" + maxBatch + ", found " + batch);
    }
    if (!arena.scope().isAlive()) {
      throw new IllegalStateException("the execution is closed");
    }
    forwarded = false;
    for (int i = 0; i < plans.size(); i++) {
      if (plans.get(i).batch() == batch) {
        current = plans.get(i);
        return current;
      }
    }
    current = new BatchPlan(context, batch, arena);
    plans.add(current);
    return current;
  }

  /** What the native library chose for each planned layer of each batch size. */
  List<String> implementations() {
    return plans.stream().flatMap(plan -> plan.implementations().stream()).toList();
  }

  /** Releases plans and memory; closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      plans.forEach(BatchPlan::close);
      resident.close();
      arena.close();
    }
  }
}
