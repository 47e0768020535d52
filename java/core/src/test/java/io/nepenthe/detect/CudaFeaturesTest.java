package io.nepenthe.detect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.kernel.Transfers;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images' representations on a CUDA device, emulated unless -Dnepenthe.gpu=required. */
@EmulatedGpu(checked = false)
class CudaFeaturesTest {
  private static final int BATCH = 4;

  @TempDir private Path folder;

  private static double[][] features(Backend backend, int samples) {
    Dataset data = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, samples, 1);
    try (Model model = Model.initialise(Transfers.network(10), 1)) {
      return Features.of(model, backend, data, Normalisation.identity(1), BATCH, Progress.NONE);
    }
  }

  @Test
  void agreeWithTheProcessor() {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open()) {
      double[][] want = features(cpu, 2 * BATCH + 1);
      double[][] got = features(cuda, 2 * BATCH + 1);
      double largest = Arrays.stream(want).flatMapToDouble(Arrays::stream).max().orElseThrow();
      assertTrue(largest > 0, "no features");
      assertEquals(want.length, got.length);
      for (int n = 0; n < want.length; n++) {
        assertArrayEquals(want[n], got[n], 1e-5 * largest); // means of some hundred float32
      }
    }
  }

  /** Of a batch go the images and the floats of their bytes, and the features come back. */
  @Test
  void aBatchBringsItsFeaturesBackAndNothingElse() throws Exception {
    try (Backend backend = Device.cuda(0).open()) {
      Transfers few = Transfers.of(folder, () -> features(backend, BATCH));
      Transfers many = Transfers.of(folder, () -> features(backend, 4 * BATCH));
      assertEquals(3 * 2, many.ups() - few.ups(), "copies to the device");
      assertEquals(3, many.downs() - few.downs(), "copies from the device");
    }
  }
}
