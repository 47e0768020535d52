package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import org.junit.jupiter.api.Test;

/** Where it matters: after training, when most samples' gradients have all but vanished. */
class TrainedFisherTest {
  @Test
  void theFisherOfATrainedLeNetAgreesWithSingleSamples() {
    Dataset data = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 3000, 1);
    Normalisation normalisation = Normalisation.of(data);
    try (Backend backend = Device.cpu(2).open();
        Model model = Model.initialise(Architectures.lenet(Extent.image(28, 28, 1), 10), 1)) {
      Trainer.Epoch last =
          new Trainer(6, 32, Optimiser.adam(2e-3), 1)
              .train(model, backend, data, normalisation, Trainer.Progress.NONE);
      assertTrue(last.accuracy() > 0.95, "trained to " + last.accuracy());
      Dataset some = Subset.range(data, 0, 399);
      double[] expected =
          SingleSamples.meanSquares(
              model, some, normalisation, (p, label, c) -> p[c] - (c == label ? 1 : 0));
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      try (FisherDiagonal fisher =
          FisherDiagonal.of(model, backend, some, normalisation, options, Progress.NONE)) {
        double[] actual = new double[expected.length];
        for (int j = 0; j < actual.length; j++) {
          actual[j] = fisher.values().flat().get(j);
        }
        SingleSamples.assertClose(expected, actual, 1e-5);
      }
    }
  }
}
