package io.nepenthe.kernel;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Times whole passes of ResNet-18 over images of CIFAR-10's shape on a device: the exact Fisher
 * diagonal, and squares of batch gradients as the reference code of SSD has them. A line of JSON
 * each, which benchmarks' torch_peers.py puts beside PyTorch's. Wall time, from images on the host
 * to sums on the host, and the device memory that was taken at most.
 */
final class CudaPassMeasure {
  private static final int RUNS = 3;
  private static final int CLASSES = 10;

  /** What the reference code squares at once. */
  private static final int SQUARED_BATCH = 64;

  private CudaPassMeasure() {}

  /**
   * The first argument is the number of images, of which a large device takes 50000; more of them
   * are precisions, of which all are taken where none is named.
   */
  public static void main(String[] arguments) {
    long samples = arguments.length == 0 ? 50_000 : Long.parseLong(arguments[0]);
    List<Precision> precisions = Arrays.stream(arguments).skip(1).map(Precision::valueOf).toList();
    measure(
        samples,
        new ImageShape(32, 32, 3),
        64,
        precisions.isEmpty() ? List.of(Precision.values()) : precisions,
        System.out);
  }

  static void measure(
      long samples, ImageShape image, int width, List<Precision> precisions, PrintStream out) {
    Extent extent = Extent.image(image.height(), image.width(), image.channels());
    try (Model model = Model.initialise(Architectures.resnet18(extent, CLASSES, width), 1);
        Arena arena = Arena.ofShared()) {
      Images data = Images.of(arena, samples, image);
      FisherDiagonal.Options exact = FisherDiagonal.Options.defaults();
      FisherDiagonal.Options squared = exact.withBatchSize(SQUARED_BATCH).withBatchSquared();
      for (Precision precision : precisions) {
        pass("exact Fisher", model, data, precision, exact, out);
        pass("squares of batches of " + SQUARED_BATCH, model, data, precision, squared, out);
      }
    }
  }

  /** With a backend of its own, so that its memory is that of this pass. */
  private static void pass(
      String name,
      Model model,
      Images data,
      Precision precision,
      FisherDiagonal.Options options,
      PrintStream out) {
    try (CudaBackend backend = (CudaBackend) Device.cuda(0, precision).open()) {
      CudaDriver driver = backend.context().driver();
      boolean emulated = driver instanceof EmulatedDriver;
      double[] seconds = new double[emulated ? 1 : RUNS + 1];
      for (int run = 0; run < seconds.length; run++) {
        long begin = System.nanoTime();
        FisherDiagonal.of(model, backend, data, data.normalisation(), options, (_, _) -> {})
            .close();
        driver.synchronise();
        seconds[run] = (System.nanoTime() - begin) * 1e-9;
      }
      String time = "\"not measured\"";
      if (!emulated) {
        Arrays.sort(seconds, 1, seconds.length); // the first run warms up
        time = String.format(Locale.ROOT, "%.4g", seconds[1 + RUNS / 2]);
      }
      out.printf(
          Locale.ROOT,
          "{\"device\": \"%s\", \"by\": \"nepenthe %s\", \"name\": \"%s\", \"samples\": %d,"
              + " \"seconds\": %s, \"peakBytes\": %d, \"convolution\": \"%s\"}%n",
          driver.name(),
          precision,
          name,
          data.size(),
          time,
          driver.liveBytes(),
          backend.dense().convolutions());
      out.flush();
    }
  }

  /**
   * Images of bytes, as CIFAR-10's are, a few of which stand for all.
   *
   * @param values of the few
   */
  private record Images(MemorySegment values, long size, ImageShape image) implements Dataset {
    private static final long DISTINCT = 512;

    static Images of(Arena arena, long size, ImageShape image) {
      byte[] values = new byte[Math.toIntExact(DISTINCT * image.floats())];
      new SplittableRandom(2).nextBytes(values);
      MemorySegment memory = arena.allocate(values.length);
      memory.copyFrom(MemorySegment.ofArray(values));
      return new Images(memory, size, image);
    }

    /** To about mean 0 and deviation 1: bytes have 1/2 and 1/√12. */
    Normalisation normalisation() {
      float[] mean = new float[image.channels()];
      float[] deviation = new float[image.channels()];
      Arrays.fill(mean, 0.5f);
      Arrays.fill(deviation, 0.29f);
      return new Normalisation(mean, deviation);
    }

    @Override
    public String name() {
      return "bytes";
    }

    @Override
    public int classes() {
      return CLASSES;
    }

    @Override
    public List<String> classNames() {
      return IntStream.range(0, CLASSES).mapToObj(Integer::toString).toList();
    }

    @Override
    public int label(long index) {
      return (int) (index % CLASSES);
    }

    @Override
    public long id(long index) {
      return index;
    }

    @Override
    public void pixels(long index, MemorySegment out, long floatOffset) {
      long first = index % DISTINCT * image.floats();
      for (long i = 0; i < image.floats(); i++) {
        float value = (values.get(ValueLayout.JAVA_BYTE, first + i) & 0xff) / 255f;
        out.setAtIndex(ValueLayout.JAVA_FLOAT, floatOffset + i, value);
      }
    }

    @Override
    public boolean bytes(long index, MemorySegment out, long offset) {
      long each = image.floats();
      MemorySegment.copy(values, index % DISTINCT * each, out, offset, each);
      return true;
    }
  }
}
