package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Transfers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Training on a CUDA device, emulated unless -Dnepenthe.gpu=required. */
@EmulatedGpu(checked = false)
class CudaTrainerTest {
  private static final int BATCH = 8;

  /** A few steps of float32 sums of some thousand terms in another order. */
  private static final double CLOSE = 1e-4;

  private static final Normalisation PIXELS = Normalisation.identity(1);

  @TempDir private Path folder;

  static Stream<Loss> losses() {
    return Stream.of(
        new CrossEntropy(),
        new MeanSquaredError(),
        new SquaredError(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9));
  }

  private static Model model(Loss loss) {
    int outputs = loss.classifies() ? 10 : 1;
    return Model.initialise(Transfers.network(outputs), 1);
  }

  private static Dataset data(int samples) {
    return Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, samples, 1);
  }

  private static Trainer trainer(Loss loss) {
    Optimiser sgd = Optimiser.sgd(0.05, 0.9, 5e-4);
    return new Trainer(2, BATCH, sgd, new Schedule.Constant(), loss, 1);
  }

  /** Losses and hits wait on the device for the epoch's end. */
  @ParameterizedTest
  @MethodSource("losses")
  void aStepBringsNothingBack(Loss loss) throws Exception {
    try (Backend backend = Device.cuda(0).open()) {
      Transfers few = transfers(backend, loss, 2 * BATCH);
      Transfers many = transfers(backend, loss, 5 * BATCH);
      assertEquals(few.downs(), many.downs(), "copies from the device");
      // Of each of three more batches in both epochs a float64 and an int32 a sample.
      assertEquals(2 * 3 * BATCH * 12, many.bytesDown() - few.bytesDown(), "bytes from it");
      int each = loss.classifies() ? 3 : 4; // images, their floats, labels; a regression's numbers
      assertEquals(2 * 3 * each, many.ups() - few.ups(), "copies to the device");
    }
  }

  private Transfers transfers(Backend backend, Loss loss, int samples) throws Exception {
    try (Model model = model(loss)) {
      return Transfers.of(
          folder,
          () -> trainer(loss).train(model, backend, data(samples), PIXELS, Trainer.Progress.NONE));
    }
  }

  /** Weights and figures are those of the processor but for rounding. */
  @ParameterizedTest
  @MethodSource("losses")
  void agreesWithTheProcessor(Loss loss) {
    Dataset data = data(4 * BATCH + 3);
    List<Trainer.Epoch> want = new ArrayList<>();
    List<Trainer.Epoch> got = new ArrayList<>();
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model expected = model(loss);
        Model found = model(loss);
        Model start = model(loss)) {
      trainer(loss).train(expected, cpu, data, PIXELS, want::add);
      trainer(loss).train(found, cuda, data, PIXELS, got::add);
      double moved = 0;
      for (long j = 0; j < start.parameters().count(); j++) {
        float weight = expected.parameters().flat().get(j);
        assertEquals(weight, found.parameters().flat().get(j), CLOSE);
        moved = Math.max(moved, Math.abs(weight - start.parameters().flat().get(j)));
      }
      assertTrue(moved > 10 * CLOSE, "nothing moved");
    }
    assertEquals(2, got.size());
    for (int epoch = 0; epoch < 2; epoch++) {
      assertEquals(want.get(epoch).meanLoss(), got.get(epoch).meanLoss(), CLOSE);
      assertEquals(want.get(epoch).accuracy(), got.get(epoch).accuracy());
    }
  }
}
