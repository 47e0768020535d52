package io.nepenthe.unlearn;

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
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The search for hard forget sets on a CUDA device, emulated unless -Dnepenthe.gpu=required. */
@EmulatedGpu(checked = false)
class CudaWorstCaseTest {
  private static final int BATCH = 8;
  private static final int ROUNDS = 2;
  private static final int EPOCHS = 3;

  /** Losses after some steps whose gradients are sums of some thousand float32 in another order. */
  private static final double CLOSE = 1e-4;

  private static final WorstCase SEARCH =
      new WorstCase(5, ROUNDS, EPOCHS, 1e-3, 1, 0.1, false, BATCH, 1);

  @TempDir private Path folder;

  private static WorstCase.Chosen choose(Backend backend, int samples) {
    Dataset data = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, samples, 1);
    try (Model model = Model.initialise(Transfers.network(10), 1)) {
      return SEARCH.choose(model, backend, data, Normalisation.identity(1), Listener.NONE);
    }
  }

  /** Weights, gradients and outputs stay on the device; once a round come the outputs. */
  @Test
  void aStepBringsNothingBack() throws Exception {
    try (Backend backend = Device.cuda(0).open()) {
      Transfers few = Transfers.of(folder, () -> choose(backend, 2 * BATCH));
      Transfers many = Transfers.of(folder, () -> choose(backend, 5 * BATCH));
      assertEquals(ROUNDS, many.downs(), "copies from the device");
      assertEquals(ROUNDS, few.downs(), "copies from the device");
      assertEquals(ROUNDS * 5 * BATCH * 10 * Float.BYTES, many.bytesDown(), "bytes from it");
      // Images and the floats of their bytes; of a step labels and weights besides.
      int each = ROUNDS * (EPOCHS * 4 + 2);
      assertEquals(3 * each, many.ups() - few.ups(), "copies to the device");
    }
  }

  @Test
  void agreesWithTheProcessor() {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open()) {
      WorstCase.Chosen want = choose(cpu, 4 * BATCH + 3);
      WorstCase.Chosen got = choose(cuda, 4 * BATCH + 3);
      assertArrayEquals(want.losses(), got.losses(), CLOSE);
      assertArrayEquals(want.weights(), got.weights(), CLOSE);
      assertArrayEquals(want.ids(), got.ids());
      double spread =
          Arrays.stream(want.weights()).max().orElseThrow()
              - Arrays.stream(want.weights()).min().orElseThrow();
      assertTrue(spread > 100 * CLOSE, "all weigh the same");
    }
  }
}
