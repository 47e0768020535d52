package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ArchitecturesTest {
  private static final Extent GREY = Extent.image(28, 28, 1);
  private static final Extent COLOUR = Extent.image(32, 32, 3);

  @Test
  void parameterCounts() {
    assertEquals(61_706, Architectures.lenet(GREY, 10).parameterCount());
    assertEquals(62_006, Architectures.lenet(COLOUR, 10).parameterCount());
    assertEquals(11_173_962, Architectures.resnet18(COLOUR, 10).parameterCount());
    assertEquals(11_220_132, Architectures.resnet18(COLOUR, 100).parameterCount());
    // Convolutions 3→64→128, 2·128→128, 128→256→512, 2·512→512, a normalisation each, 512→10.
    long convolutions = 9L * (3 * 64 + 64 * 128 + 2 * 128 * 128);
    convolutions += 9L * (128 * 256 + 256 * 512 + 2 * 512 * 512);
    long norms = 2L * (64 + 128 + 2 * 128 + 256 + 512 + 2 * 512);
    assertEquals(
        convolutions + norms + 5130, Architectures.resnet9(COLOUR, 10, 64).parameterCount());
    assertEquals(784 * 30 + 30 + 30 * 10 + 10, Architectures.mlp(GREY, 10, 30).parameterCount());
    assertEquals(7850, Architectures.mlp(GREY, 10).parameterCount());
  }

  @Test
  void noLayerFallsToTheReferenceImplementation() {
    List<Network> networks =
        List.of(
            Architectures.mlp(GREY, 10, 100),
            Architectures.lenet(GREY, 10),
            Architectures.lenet(COLOUR, 10),
            Architectures.resnet9(GREY, 10, 16),
            Architectures.resnet9(COLOUR, 10, 64),
            Architectures.resnet18(COLOUR, 10));
    try (Backend backend = Device.cpu(2).open()) {
      for (Network network : networks) {
        try (Model model = Model.initialise(network, 1);
            Learner learner = TrainingFixture.learner(model, backend, 5, TrainingFixture.SGD)) {
          for (int batch : new int[] {1, 5}) {
            assertTrue(Double.isFinite(TrainingFixture.step(learner, batch, 3)));
          }
          List<String> chosen = learner.implementations();
          assertFalse(chosen.isEmpty());
          for (String implementation : chosen) {
            assertFalse(implementation.isEmpty(), network::toString);
            assertFalse(implementation.contains("ref"), () -> implementation + "\n" + network);
          }
        }
      }
    }
  }

  @Test
  void initialisationDependsOnSeedAndNameOnly() {
    Network plain = Network.builder(Extent.vector(50)).then(linear("b")).build();
    Network longer = Network.builder(Extent.vector(50)).then(linear("a")).then(linear("b")).build();
    try (Model one = Model.initialise(plain, 4);
        Model two = Model.initialise(longer, 4);
        Model other = Model.initialise(plain, 5)) {
      float[] b = one.parameters().get("b.weight").value().toArray();
      assertArrayEquals(b, two.parameters().get("b.weight").value().toArray());
      assertFalse(Arrays.equals(b, two.parameters().get("a.weight").value().toArray()));
      assertFalse(Arrays.equals(b, other.parameters().get("b.weight").value().toArray()));
      double bound = Math.sqrt(6.0 / 50);
      double square = 0;
      for (float value : b) {
        assertTrue(Math.abs(value) <= bound);
        square += (double) value * value / b.length;
      }
      // Variance 2/50 of 2,500 uniform draws, whose square has standard deviation 0.9 of its mean.
      assertEquals(2.0 / 50, square, 5 * 0.9 * 2 / 50 / Math.sqrt(b.length));
      assertEquals(0, one.parameters().get("b.bias").value().get(3));
    }
  }

  private static Layer linear(String name) {
    return new Layer.Linear(name, 50, 50, true);
  }

  @Test
  void threadsDoNotChangeABit() {
    List<Network> networks =
        List.of(
            Architectures.lenet(GREY, 10),
            Architectures.mlp(GREY, 10, 300),
            Architectures.resnet9(COLOUR, 10, 40),
            Architectures.resnet18(Extent.image(12, 12, 3), 10, 48));
    for (Network network : networks) {
      float[][] one = TrainingFixture.train(network, 1, TrainingFixture.SGD);
      for (int threads : new int[] {2, 3}) {
        float[][] more = TrainingFixture.train(network, threads, TrainingFixture.SGD);
        assertArrayEquals(one[0], more[0], network.toString());
        assertArrayEquals(one[1], more[1], network.toString());
      }
    }
  }
}
