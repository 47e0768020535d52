package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.unlearn.FineTune;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Listener;
import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Steps;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A device of ten megabytes: what is said when it is full, and what fits. */
class CudaMemoryTest {
  private static final long MEGABYTE = 1_000_000;
  private static final long UNIT = 2L << 20; // what larger blocks are rounded up to

  private CudaBackend cuda;

  @BeforeEach
  void open() {
    System.setProperty(EmulatedDriver.MEMORY_PROPERTY, Long.toString(10 * MEGABYTE));
    cuda =
        new CudaBackend(
            new Device.Cuda(0, Precision.FP32), new EmulatedDriver(EmulatedDriver.packaged(), 1));
  }

  @AfterEach
  void close() {
    cuda.close();
    System.clearProperty(EmulatedDriver.MEMORY_PROPERTY);
  }

  private static Shape floats(long bytes) {
    return Shape.of(bytes / Float.BYTES);
  }

  @Test
  void aFullDeviceSaysWhatWasWantedAndWhatThereIs() {
    try (Arena arena = Arena.ofConfined()) {
      cuda.zeros(arena, floats(3 * UNIT));
      CudaException full =
          assertThrows(CudaException.class, () -> cuda.zeros(arena, floats(3 * MEGABYTE + 4)));
      assertEquals(
          "emulated CUDA device is out of memory: a tensor of shape [750001] needs 4,194,304 bytes;"
              + " 3,708,544 of 10,000,000 are free, 6,291,456 are in use here; remedy: a smaller"
              + " batch, or --device cpu",
          full.getMessage());
      cuda.zeros(arena, floats(MEGABYTE)); // what fits still does
    }
  }

  @Test
  void whatIsKeptForTheNextUseIsGivenUpBeforeFailing() {
    try (Arena arena = Arena.ofConfined()) {
      cuda.zeros(arena, floats(3 * UNIT));
    }
    try (Arena arena = Arena.ofConfined()) {
      assertDoesNotThrow(() -> cuda.zeros(arena, floats(4 * UNIT)));
    }
  }

  /** A loop that tries smaller batches until one fits must not run out of memory by trying. */
  @Test
  void aTrainingThatDoesNotFitLeavesNothingBehind() {
    Dataset images = DataSource.open("glyphs:train/2000", 1);
    Network network = Architectures.mlp(Extent.image(28, 28, 1), 10, 256);
    try (Model model = Model.initialise(network, 1);
        Arena arena = Arena.ofConfined()) {
      Trainer trainer = new Trainer(1, 2000, Optimiser.adam(1e-3), 1);
      Normalisation none = Normalisation.identity(1);
      CudaException full =
          assertThrows(
              CudaException.class,
              () -> trainer.train(model, cuda, images, none, Trainer.Progress.NONE));
      assertTrue(full.getMessage().contains("a batch of 2,000"), full.getMessage());
      assertDoesNotThrow(() -> cuda.zeros(arena, floats(4 * UNIT)));
    }
  }

  /** Where many methods are compared, one that does not fit must leave room for the next. */
  @Test
  void anUnlearningThatDoesNotFitLeavesNothingBehind() {
    Dataset images = DataSource.open("glyphs:train/2000", 1);
    Network network = Architectures.mlp(Extent.image(28, 28, 1), 10, 512);
    Trainer recipe = new Trainer(1, 2000, Optimiser.adam(1e-3), 1);
    long[] ids = {images.id(0)};
    Forgetting task = Forgetting.ofIds(images, ids, Normalisation.identity(1), recipe);
    Method fineTune = new FineTune(new Steps(1, 2000, Optimiser.adam(1e-3)));
    try (Model model = Model.initialise(network, 1);
        Arena arena = Arena.ofConfined()) {
      CudaException full =
          assertThrows(
              CudaException.class, () -> fineTune.forget(model, cuda, task, 1, Listener.NONE));
      assertTrue(full.getMessage().contains("a batch of 2,000"), full.getMessage());
      assertDoesNotThrow(() -> cuda.zeros(arena, floats(4 * UNIT)));
    }
  }

  /** Blocks are rounded up and used again: the emulator judges what was asked for. */
  @Test
  void whatLiesBeyondTheBytesAskedForIsOutOfBounds() {
    CudaMemory memory = cuda.context().memory();
    CudaDriver driver = cuda.context().driver();
    try (Arena arena = Arena.ofConfined()) {
      for (long bytes : new long[] {100, 60, 200}) {
        long block = memory.take(bytes, () -> "a test");
        driver.upload(block, arena.allocate(bytes));
        MemorySegment more = arena.allocate(bytes + 4);
        CudaException e = assertThrows(CudaException.class, () -> driver.upload(block, more));
        assertEquals("emulator: upload out of bounds", e.getMessage());
        memory.giveBack(block);
      }
    }
  }

  @Test
  void aBatchThatDoesNotFitNamesOneThatDoes() {
    cuda.requireRoom(MEGABYTE, 10);
    CudaException full = assertThrows(CudaException.class, () -> cuda.requireRoom(MEGABYTE, 11));
    assertEquals(
        "emulated CUDA device has no room for a batch of 11: it needs 11,000,000 bytes, 10,000,000"
            + " are free; remedy: a batch of 7 fits",
        full.getMessage());
  }

  @Test
  void aBatchIsAsLargeAsAskedForOrAsFits() {
    assertEquals(3, cuda.fitting(MEGABYTE, 3));
    assertEquals(7, cuda.fitting(MEGABYTE, 64)); // a quarter is left
    assertEquals(1, cuda.fitting(100 * MEGABYTE, 64));
    try (Arena arena = Arena.ofConfined()) {
      cuda.zeros(arena, floats(2 * UNIT));
      assertEquals(4, cuda.fitting(MEGABYTE, 64));
    }
    assertEquals(7, cuda.fitting(MEGABYTE, 64)); // what is kept counts as free
  }
}
