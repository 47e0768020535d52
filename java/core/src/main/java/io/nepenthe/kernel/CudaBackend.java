package io.nepenthe.kernel;

import io.nepenthe.tensor.OneThread;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/** A CUDA device: the kernels of cuda/, and cuBLAS where it is found. */
final class CudaBackend implements Backend {
  private static final int ACCUMULATE_EACH = 4;

  /** Of a multiprocessor: about 1,000 of a large device, some 7 GB of a ResNet-18's. */
  private static final int SAMPLES_AT_ONCE = 8;

  private static final long CHUNK_BYTES = 32;
  private static final long GROUP_BYTES = 56;
  private static final int CHUNK = Reduction.CHUNK;
  private static final int CHUNK_THREADS = Reduction.LANES / 4;

  private final Device.Cuda device;
  private final CudaContext context;
  private final CudaDense dense;
  private final CudaPerSample perSample;
  private final CudaOptimisers optimisers;
  private Optional<CudaSolver.Choice> solver = Optional.empty();
  private boolean closed;

  CudaBackend(Device.Cuda device, CudaDriver driver) {
    this.device = device;
    this.context = new CudaContext(driver);
    this.dense = new CudaDense(context, device.precision());
    this.perSample = new CudaPerSample(context, dense.gemm(), device.precision());
    this.optimisers = new CudaOptimisers(context);
  }

  /** What stands for a device. */
  private enum Kind {
    REAL,
    EMULATED,
    OFF;

    static Kind chosen() {
      String value = System.getProperty(Device.Cuda.PROPERTY, "real");
      return switch (value) {
        case "real" -> REAL;
        case "emulated" -> EMULATED;
        case "off" -> OFF;
        default ->
            throw new CudaException(
                "-D" + Device.Cuda.PROPERTY + "=" + value + ": expected real, emulated or off");
      };
    }
  }

  static Optional<String> unavailable(int ordinal) {
    return switch (Kind.chosen()) {
      case REAL ->
          CudaProbe.unavailable(ordinal)
              .or(
                  () ->
                      CudaKernels.built()
                          ? Optional.empty()
                          : Optional.of(
                              "this build has no CUDA kernels: it was made without nvcc"));
      case EMULATED ->
          ordinal == 0 ? Optional.empty() : Optional.of("the emulator is device 0 only");
      case OFF -> Optional.of("-D" + Device.Cuda.PROPERTY + "=off");
    };
  }

  static CudaBackend open(Device.Cuda device) {
    unavailable(device.ordinal())
        .ifPresent(
            reason -> {
              throw new CudaException("cuda:" + device.ordinal() + " cannot be used: " + reason);
            });
    CudaDriver driver =
        Kind.chosen() == Kind.EMULATED
            ? new EmulatedDriver(EmulatedDriver.packaged(), Long.getLong("nepenthe.cuda.seed", 1))
            : new JCudaDriver(device.ordinal());
    return new CudaBackend(device, driver);
  }

  @Override
  public Device device() {
    return device;
  }

  @Override
  public String describe() {
    return context.driver().describe()
        + "\nprecision="
        + device.precision()
        + "\nmatrix="
        + dense.gemm().name()
        + "\nconvolution="
        + dense.convolutions()
        + "\neigenvectors="
        + solver().name();
  }

  /** The launches, for tests. */
  CudaContext context() {
    return context;
  }

  @Override
  public Tensor zeros(Arena arena, Shape shape) {
    return context.memory().zeros(arena, shape);
  }

  @Override
  public boolean holds(Tensor tensor) {
    return !tensor.onHost() && tensor.device().get() == context.memory();
  }

  @Override
  public int fitting(long bytesPerSample, int wanted) {
    // A quarter is left to workspaces, the parameters' copies and statistics.
    long room = context.memory().freeBytes() / 4 * 3;
    return Math.clamp(room / Math.max(1, bytesPerSample), 1, wanted);
  }

  @Override
  public int atOnce(int wanted) {
    return Math.max(wanted, SAMPLES_AT_ONCE * context.driver().multiprocessors());
  }

  @Override
  public void requireRoom(long bytesPerSample, int samples) {
    long free = context.memory().freeBytes();
    if (bytesPerSample * samples > free) {
      throw new CudaException(
          "%s has no room for a batch of %,d: it needs %,d bytes, %,d are free; remedy: a batch of %,d fits"
              .formatted(
                  context.driver().name(),
                  samples,
                  bytesPerSample * samples,
                  free,
                  fitting(bytesPerSample, samples)));
    }
  }

  @Override
  public Dampen.Result dampen(
      Tensor weights, Tensor forget, Tensor reference, Dampen.Options options) {
    Dampen.check(weights, forget, reference);
    long n = weights.elements();
    if (n == 0) {
      return new Dampen.Result(0, 0, 0, 0, 0, 0, 0);
    }
    long chunks = (n + CHUNK - 1) / CHUNK;
    try (var op = context.begin("dampen", weights.shape(), Dampen.bytes(n), Dampen.flops(n));
        Arena arena = Arena.ofConfined()) {
      long partial = op.scratch(chunks * CHUNK_BYTES);
      long groups = op.scratch(Reduction.GROUPS * GROUP_BYTES);
      long results = op.scratch(7 * Long.BYTES);
      op.launch(
          "nep_dampen",
          context.allBlocks("nep_dampen", chunks * CHUNK_THREADS),
          op.update(weights),
          op.read(forget),
          op.read(reference),
          n,
          options.selection(),
          options.dampening(),
          options.upper(),
          partial);
      op.launch("nep_dampen_groups", Reduction.GROUPS, partial, chunks, groups);
      op.launch("nep_dampen_totals", 1, groups, results, results + 3 * Long.BYTES);
      MemorySegment host = arena.allocate(7 * Long.BYTES, Long.BYTES);
      context.driver().download(host, results);
      op.finish();
      return new Dampen.Result(
          host.getAtIndex(ValueLayout.JAVA_LONG, 0),
          host.getAtIndex(ValueLayout.JAVA_LONG, 1),
          host.getAtIndex(ValueLayout.JAVA_LONG, 2),
          host.getAtIndex(ValueLayout.JAVA_DOUBLE, 3),
          host.getAtIndex(ValueLayout.JAVA_DOUBLE, 4),
          host.getAtIndex(ValueLayout.JAVA_DOUBLE, 5),
          host.getAtIndex(ValueLayout.JAVA_DOUBLE, 6));
    }
  }

  @Override
  public Mask.Part freeze(Arena arena, Mask.Part mask) {
    Mask.Part frozen = mask.frozen(arena);
    long bytes = frozen.segment().byteSize();
    if (bytes == 0) {
      return frozen;
    }
    Tensor words = zeros(arena, Shape.of(bytes / Float.BYTES));
    try (var _ = context.begin("freeze", words.shape(), bytes, 0)) {
      context.driver().upload(words.address(), frozen.segment());
    }
    return frozen.with(words);
  }

  @Override
  public void sgd(Tensor weights, Tensor velocity, Tensor gradient, MaskedSgd.Options options) {
    optimisers.sgd(weights, velocity, gradient, Optional.empty(), options);
  }

  @Override
  public void maskedSgd(
      Tensor weights, Tensor velocity, Tensor gradient, Mask.Part mask, MaskedSgd.Options options) {
    optimisers.sgd(weights, velocity, gradient, Optional.of(mask), options);
  }

  @Override
  public void adam(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      long step,
      MaskedAdam.Options options) {
    optimisers.adam(weights, first, second, gradient, Optional.empty(), step, options);
  }

  @Override
  public void maskedAdam(
      Tensor weights,
      Tensor first,
      Tensor second,
      Tensor gradient,
      Mask.Part mask,
      long step,
      MaskedAdam.Options options) {
    optimisers.adam(weights, first, second, gradient, Optional.of(mask), step, options);
  }

  @Override
  public void addSigns(Tensor values, Tensor of, float factor) {
    optimisers.signs(values, of, factor);
  }

  @Override
  public void shrink(Tensor weights, Optional<Mask.Part> mask, float threshold) {
    optimisers.shrink(weights, mask, threshold);
  }

  @Override
  public void accumulate(DriftFreeSum state, Tensor terms) {
    accumulate(state, terms, Accumulate.Kind.VALUE);
  }

  @Override
  public void accumulateAbs(DriftFreeSum state, Tensor terms) {
    accumulate(state, terms, Accumulate.Kind.ABSOLUTE);
  }

  @Override
  public void accumulateSquare(DriftFreeSum state, Tensor terms) {
    accumulate(state, terms, Accumulate.Kind.SQUARE);
  }

  private void accumulate(DriftFreeSum state, Tensor terms, Accumulate.Kind kind) {
    long rows = Accumulate.check(state, terms);
    long n = state.shape().elements();
    if (n > 0 && rows > 0) {
      try (var op =
          context.begin(
              "accumulate",
              terms.shape(),
              Accumulate.bytes(n) * rows,
              Accumulate.flops(n) * rows)) {
        op.launch(
            "nep_accumulate",
            context.blocks("nep_accumulate", n, ACCUMULATE_EACH),
            op.update(state.sum()),
            op.update(state.rest()),
            op.read(terms),
            rows,
            n,
            kind.ordinal(),
            state.phase());
        op.finish();
      }
    }
    state.advance(rows);
  }

  @Override
  public void squareGradients(
      Tensor input,
      Tensor outputGradient,
      DriftFreeSum weights,
      SquareGradients.Strategy strategy) {
    CudaSquares.weights(
        context,
        device.precision(),
        SquareGradients.linear(input, outputGradient, weights),
        input,
        outputGradient,
        weights,
        strategy,
        CudaSquares.chosen(context.driver()));
  }

  @Override
  public void squareGradients(
      Convolution convolution,
      Tensor input,
      Tensor outputGradient,
      DriftFreeSum weights,
      SquareGradients.Strategy strategy) {
    CudaSquares.weights(
        context,
        device.precision(),
        SquareGradients.convolution(convolution, input, outputGradient, weights),
        input,
        outputGradient,
        weights,
        strategy,
        CudaSquares.chosen(context.driver()));
  }

  @Override
  public void squareBiasGradients(Tensor outputGradient, DriftFreeSum bias) {
    CudaSquares.vector(context, Optional.empty(), outputGradient, bias);
  }

  @Override
  public void squareScaleGradients(Tensor normalised, Tensor outputGradient, DriftFreeSum scale) {
    CudaSquares.vector(context, Optional.of(normalised), outputGradient, scale);
  }

  @Override
  public void squareEmbeddingGradients(
      MemorySegment tokens, Tensor outputGradient, DriftFreeSum rows) {
    CudaSquares.embedding(context, tokens, outputGradient, rows);
  }

  @Override
  public List<SelectTop.Cut> selectTop(List<Tensor> values, MaskStack out, double... ratios) {
    return CudaSelectTop.run(context, List.copyOf(values), out, ratios);
  }

  @Override
  public double[] centredGram(Tensor rows) {
    return CudaCentredGram.of(context, rows);
  }

  @Override
  public List<SymmetricEigen> symmetricEigen(
      IntFunction<SymmetricEigen.Matrix> matrices, int count) {
    Optional<CudaSolver> solver = solver().library();
    if (solver.isEmpty()) {
      return Backend.super.symmetricEigen(matrices, count);
    }
    List<SymmetricEigen> found = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      SymmetricEigen.Matrix matrix = matrices.apply(i);
      found.add(SymmetricEigen.of(matrix.values(), matrix.size(), solver.get()));
    }
    return found;
  }

  /** Looked for at the first use: few programs have one. */
  private CudaSolver.Choice solver() {
    if (solver.isEmpty()) {
      solver = Optional.of(CudaSolver.of(context));
    }
    return solver.get();
  }

  @Override
  public CudaDense dense() {
    return dense;
  }

  @Override
  public Objectives objectives() {
    return dense.objectives();
  }

  @Override
  public PerSample perSample() {
    return perSample;
  }

  @Override
  public void close() {
    try (OneThread _ = context.users().enter()) {
      if (!closed) {
        closed = true;
        try (context;
            dense) {
          solver.flatMap(CudaSolver.Choice::library).ifPresent(CudaSolver::close);
        }
      }
    }
  }
}
