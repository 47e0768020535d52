package io.nepenthe.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.kernel.Transfers;
import io.nepenthe.nn.Model;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The alignment of two models' layers on a CUDA device, emulated unless required to be real. */
@EmulatedGpu(checked = false)
class CudaLinearCkaTest {
  private static final int BATCH = 128; // what it takes at once

  @TempDir private Path folder;

  private static LinearCka.Layers layers(Backend backend, int samples, long seed) {
    Dataset data = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, samples, 1);
    try (Model model = Model.initialise(Transfers.network(10), seed)) {
      return LinearCka.Layers.of(model, backend, data, Normalisation.identity(1));
    }
  }

  /** Of a batch nothing comes back; at the end each layer's products of samples. */
  @Test
  void aBatchBringsNothingBack() throws Exception {
    try (Backend backend = Device.cuda(0).open()) {
      Transfers few = Transfers.of(folder, () -> layers(backend, BATCH, 1));
      Transfers many = Transfers.of(folder, () -> layers(backend, 3 * BATCH, 1));
      assertEquals(2, few.downs(), "copies from the device");
      assertEquals(2, many.downs(), "copies from the device");
      assertEquals(2L * BATCH * BATCH * Double.BYTES, few.bytesDown());
      assertEquals(2 * 2, many.ups() - few.ups(), "images, and the floats of their bytes");
    }
  }

  @Test
  void agreesWithTheProcessor() {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open()) {
      var want = layers(cpu, BATCH + 9, 1).similarity(layers(cpu, BATCH + 9, 2));
      var got = layers(cuda, BATCH + 9, 1).similarity(layers(cuda, BATCH + 9, 2));
      assertEquals(want.keySet(), got.keySet());
      assertEquals(2, want.size());
      // Features are some hundred terms in float32.
      want.forEach((layer, value) -> assertEquals(value, got.get(layer), 1e-5, layer));
    }
  }
}
