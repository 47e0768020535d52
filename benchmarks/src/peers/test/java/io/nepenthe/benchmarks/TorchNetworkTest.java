package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.GradientAccumulator;
import io.nepenthe.nn.Mode;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.ParameterSpec;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The peers do the same work: their gradients are those of the networks that they are timed with.
 */
class TorchNetworkTest {
  private static final int SAMPLES = 8;

  @ParameterizedTest
  @ValueSource(strings = {"lenet", "resnet9", "resnet18"})
  void gradientsAgree(String name) {
    try (Arena arena = Arena.ofShared();
        Backend backend = Device.cpu(1).open();
        Model model = Passes.model(name);
        TorchNetwork peer = new TorchNetwork(model);
        Execution execution = new Execution(model, backend, SAMPLES, Mode.TRAIN);
        GradientAccumulator gradient = new GradientAccumulator(model, backend)) {
      Tensor input = Passes.input(arena, model, SAMPLES);
      Extent extent = model.network().input();
      Tensor output = execution.forward(input);
      double[] losses = new double[SAMPLES];
      new CrossEntropy()
          .evaluate(output, Passes.labels(SAMPLES), losses, execution.outputGradient());
      gradient.clear();
      execution.backward(execution.outputGradient(), gradient);

      long[] classes = new long[SAMPLES];
      for (int n = 0; n < SAMPLES; n++) {
        classes[n] = Passes.label(n);
      }
      torch
          .cross_entropy_loss(
              peer.forward(TorchNetwork.input(input, extent), true), torch.tensor(classes))
          .backward();
      for (ParameterSpec spec : model.network().parameters()) {
        Tensor got = gradient.gradient().get(spec.name()).value();
        org.bytedeco.pytorch.Tensor want = peer.parameter(spec.name()).grad();
        if (spec.shape().rank() == 4) {
          want = want.permute(0, 2, 3, 1);
        }
        FloatPointer values = new FloatPointer(want.contiguous().data_ptr());
        double difference = 0;
        double norm = 0;
        for (long i = 0; i < got.elements(); i++) {
          double expected = values.get(i) * (double) SAMPLES;
          difference += Math.pow(got.get(i) - expected, 2);
          norm += expected * expected;
        }
        // Where a sum lies within rounding of zero, the two may open different ReLU gates: a share
        // p
        // of them moves a gradient by √p of its length, seen up to 0.002. Another network, layout
        // or
        // loss would be off by its whole length.
        assertTrue(norm > 0, spec.name());
        assertTrue(Math.sqrt(difference / norm) < 0x1p-6, spec.name() + " " + difference / norm);
      }
    }
  }
}
