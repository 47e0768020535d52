package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.RequireGpu;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The Fisher diagonal on a CUDA device, emulated unless -Dnepenthe.gpu=required. */
class CudaFisherTest {
  private static final String MEMORY = "nepenthe.cuda.emulated.memory";

  @BeforeAll
  static void emulate() {
    if (!RequireGpu.Condition.required()) {
      System.setProperty(Device.Cuda.PROPERTY, "emulated");
    }
  }

  @AfterAll
  static void stopEmulating() {
    System.clearProperty(Device.Cuda.PROPERTY);
    System.clearProperty(MEMORY);
  }

  private static double[] fisher(Model model, FisherDiagonal.Options options) {
    try (Backend backend = Device.cuda(0).open();
        FisherDiagonal result =
            FisherDiagonal.of(
                model,
                backend,
                FisherDiagonalTest.DATA,
                FisherDiagonalTest.PLAIN,
                options,
                Progress.NONE)) {
      double[] values = new double[(int) result.values().count()];
      for (int j = 0; j < values.length; j++) {
        values[j] = result.values().flat().get(j);
      }
      return values;
    }
  }

  @Test
  void agreesWithSingleSamplesAlsoInBatchesThatADeviceHasRoomFor() {
    try (Model model = Model.initialise(FisherDiagonalTest.network(), 1)) {
      double[] expected =
          SingleSamples.meanSquares(
              model,
              FisherDiagonalTest.DATA,
              FisherDiagonalTest.PLAIN,
              (p, label, c) -> p[c] - (c == label ? 1 : 0));
      FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
      SingleSamples.assertClose(expected, fisher(model, options), 1e-5);
      System.setProperty(MEMORY, Long.toString(640 << 10));
      SingleSamples.assertClose(expected, fisher(model, options.withBatchSize(1000)), 1e-5);
      System.clearProperty(MEMORY);
    }
  }

  @Test
  void predictionsFollowTheModel() {
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model model = Model.initialise(FisherDiagonalTest.network(), 1);
        Predictor onDevice = new Predictor(model, cuda, 8);
        Predictor onHost = new Predictor(model, cpu, 8)) {
      for (int change = 0; change < 2; change++) {
        var want = onHost.evaluate(FisherDiagonalTest.DATA, FisherDiagonalTest.PLAIN);
        var got = onDevice.evaluate(FisherDiagonalTest.DATA, FisherDiagonalTest.PLAIN);
        assertEquals(want.meanLoss(), got.meanLoss(), 1e-5 * want.meanLoss());
        assertTrue(want.samples() == got.samples());
        model.parameters().flat().set(0, 3);
      }
    }
  }
}
