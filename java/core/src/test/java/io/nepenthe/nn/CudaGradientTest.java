package io.nepenthe.nn;

import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.kernel.Device;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The same on a CUDA device, emulated unless -Dnepenthe.gpu=required: forward, backward and
 * parameter gradients of every layer.
 */
@EmulatedGpu
class CudaGradientTest extends GradientTest {
  @Override
  Device device() {
    return Device.cuda(0);
  }

  // Every layer is run with batch statistics, every graph with running ones; of the rest one each.
  @Override
  @ParameterizedTest
  @EnumSource(names = "CHAIN")
  void layerWithRunningStatistics(Case layer) {
    super.layerWithRunningStatistics(layer);
  }

  @Override
  @ParameterizedTest
  @EnumSource(names = "RESIDUAL")
  void graphWithBatchStatistics(Graph graph) {
    super.graphWithBatchStatistics(graph);
  }
}
