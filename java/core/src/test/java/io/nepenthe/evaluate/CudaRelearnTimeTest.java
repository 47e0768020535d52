package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.kernel.Transfers;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Predictor;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The relearn time on a CUDA device, emulated unless -Dnepenthe.gpu=required. */
@EmulatedGpu(checked = false)
class CudaRelearnTimeTest {
  private static final int BATCH = 8;
  private static final Network SMALL = Transfers.network(10);
  private static final Network NETWORK = Architectures.mlp(Extent.image(28, 28, 1), 10, 8);
  private static final Normalisation PIXELS = Normalisation.identity(1);
  private static final Dataset DATA =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 64, 1);
  private static final Dataset FORGET = Subset.range(DATA, 0, 9);

  @TempDir private Path folder;

  private static int rounds(Network network, Backend backend, double loss, int samples, int most) {
    RelearnTime time = new RelearnTime(samples, BATCH, 0.1, most, 1);
    try (Model model = Model.initialise(network, 1)) {
      return time.rounds(model, backend, loss, DATA, FORGET, PIXELS);
    }
  }

  /** A round's evaluation comes back; of its steps nothing. */
  @Test
  void aStepBringsNothingBack() throws Exception {
    try (Backend backend = Device.cuda(0).open()) {
      Transfers few = Transfers.of(folder, () -> rounds(SMALL, backend, 0, 2 * BATCH, 2));
      Transfers many = Transfers.of(folder, () -> rounds(SMALL, backend, 0, 5 * BATCH, 2));
      assertEquals(few.downs(), many.downs(), "copies from the device");
      assertEquals(few.bytesDown(), many.bytesDown(), "bytes from the device");
      // Images, the floats of their bytes, and labels.
      assertEquals(2 * 3 * 3, many.ups() - few.ups(), "copies to the device");
    }
  }

  @Test
  void agreesWithTheProcessor() {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model model = Model.initialise(NETWORK, 1);
        Predictor predictor = new Predictor(model, cpu, 10)) {
      double loss = predictor.evaluate(FORGET, PIXELS).meanLoss() / 2;
      int want = rounds(NETWORK, cpu, loss, 8 * BATCH + 3, 20);
      assertTrue(want > 2 && want <= 20, "rounds " + want);
      assertEquals(want, rounds(NETWORK, cuda, loss, 8 * BATCH + 3, 20));
    }
  }
}
