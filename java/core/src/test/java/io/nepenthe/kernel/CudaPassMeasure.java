package io.nepenthe.kernel;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Tensor;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
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
  private static final int BATCH = 256;

  /** What the reference code squares at once. */
  private static final int SQUARED_BATCH = 64;

  private CudaPassMeasure() {}

  /** The argument is the number of images, of which a large device takes 50000. */
  public static void main(String[] arguments) {
    long samples = arguments.length == 0 ? 50_000 : Long.parseLong(arguments[0]);
    measure(samples, new ImageShape(32, 32, 3), 64, System.out);
  }

  static void measure(long samples, ImageShape image, int width, PrintStream out) {
    Extent extent = Extent.image(image.height(), image.width(), image.channels());
    try (Model model = Model.initialise(Architectures.resnet18(extent, CLASSES, width), 1);
        Arena arena = Arena.ofShared()) {
      Images data = Images.of(arena, samples, image);
      FisherDiagonal.Options exact = FisherDiagonal.Options.defaults().withBatchSize(BATCH);
      FisherDiagonal.Options squared = exact.withBatchSize(SQUARED_BATCH).withBatchSquared();
      for (Precision precision : Precision.values()) {
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
              + " \"seconds\": %s, \"peakBytes\": %d}%n",
          driver.name(),
          precision,
          name,
          data.size(),
          time,
          driver.liveBytes());
      out.flush();
    }
  }

  /**
   * Standard normal images, a few of which stand for all.
   *
   * @param values of the few
   */
  private record Images(Tensor values, long size, ImageShape image) implements Dataset {
    private static final long DISTINCT = 512;

    static Images of(Arena arena, long size, ImageShape image) {
      Tensor values = Tensor.zeros(arena, DISTINCT, image.floats());
      KernelTest.Values normal = KernelTest.normal(2);
      for (long i = 0; i < values.elements(); i++) {
        values.set(i, normal.next());
      }
      return new Images(values, size, image);
    }

    Normalisation normalisation() {
      return Normalisation.identity(image.channels());
    }

    @Override
    public String name() {
      return "normal";
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
      long bytes = image.floats() * Float.BYTES;
      MemorySegment from = values.segment();
      MemorySegment.copy(from, index % DISTINCT * bytes, out, floatOffset * Float.BYTES, bytes);
    }
  }
}
