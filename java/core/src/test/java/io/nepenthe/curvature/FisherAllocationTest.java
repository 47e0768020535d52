package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A pass over a data set makes no object a batch. */
class FisherAllocationTest {
  private static final ImageShape IMAGE = new ImageShape(28, 28, 1);
  private static final int BATCH = 2;
  private static final int WINDOW = 100;
  private static final int WINDOWS = 12;

  /** Ramps: nothing but the pixels is written. */
  private record Ramps(long size) implements Dataset {
    @Override
    public String name() {
      return "ramps";
    }

    @Override
    public ImageShape image() {
      return IMAGE;
    }

    @Override
    public int classes() {
      return 2;
    }

    @Override
    public List<String> classNames() {
      return List.of("even", "odd");
    }

    @Override
    public int label(long index) {
      return (int) (index % 2);
    }

    @Override
    public long id(long index) {
      return index;
    }

    @Override
    public void pixels(long index, MemorySegment out, long floatOffset) {
      for (long i = 0; i < 28 * 28; i++) {
        out.setAtIndex(ValueLayout.JAVA_FLOAT, floatOffset + i, (index + i) % 7 / 7f);
      }
    }
  }

  @Test
  void aPassAllocatesNothingInSteadyState() {
    assertNothing(Architectures.lenet(Extent.image(28, 28, 1), 10));
  }

  /** Layers that are used twice: their inputs and gradients are kept until all uses are seen. */
  @Test
  void neitherDoTiedLayers() {
    Layer.Conv2d image = new Layer.Conv2d("image", 2, 2, Window.square(3).withPadding(1), true);
    Layer.Linear vector = new Layer.Linear("vector", 6, 6, true);
    assertNothing(
        Network.builder(Extent.image(28, 28, 1))
            .then(new Layer.MaxPool(Window.square(7).withStride(7)))
            .then(new Layer.Conv2d("first", 1, 2, Window.square(1), true))
            .then(image)
            .then(new Layer.Relu())
            .then(image)
            .then(new Layer.Flatten())
            .then(new Layer.Linear("middle", 32, 6, true))
            .then(vector)
            .then(new Layer.Relu())
            .then(vector)
            .then(new Layer.Linear("last", 6, 2, true))
            .build());
  }

  private static void assertNothing(Network network) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long[] before = new long[WINDOWS + 1];
    Dataset data = new Ramps((long) WINDOWS * WINDOW * BATCH);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(network, 1)) {
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults().withBatchSize(BATCH);
      Normalisation plain = Normalisation.identity(1);
      FisherDiagonal.of(
              model,
              backend,
              data,
              plain,
              options,
              (done, total) -> {
                if (done % (WINDOW * BATCH) == 0) {
                  before[(int) (done / (WINDOW * BATCH))] =
                      threads.getCurrentThreadAllocatedBytes();
                }
              })
          .close();
    }
    // What the just-in-time compiler removes, it has removed after a while.
    long least = Long.MAX_VALUE;
    for (int window = WINDOWS / 2; window < WINDOWS; window++) {
      least = Math.min(least, before[window + 1] - before[window]);
    }
    assertEquals(0, least, "bytes on the heap in " + WINDOW + " batches");
  }
}
