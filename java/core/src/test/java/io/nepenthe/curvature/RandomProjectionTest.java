package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Random signs and what they keep of the examples' gradients. */
class RandomProjectionTest {
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final TinyData DATA = CurvatureNets.data(9);
  private static final long SEED = 11;

  private static Backend backend;
  private static Model model;

  @BeforeAll
  static void open() {
    backend = Device.cpu(2).open();
    model = Model.initialise(CurvatureNets.all(), 3);
  }

  @AfterAll
  static void close() {
    model.close();
    backend.close();
  }

  private static Tensor project(Arena arena, Backend on, long dimensions, long seed, long atOnce) {
    Influence.Options options =
        Influence.Options.defaults()
            .withBatchSize(4)
            .withQueryBytes(atOnce * Float.BYTES * model.parameters().count());
    return RandomProjection.of(
        arena, model, on, DATA, PLAIN, dimensions, seed, options, Progress.NONE);
  }

  /** A sum of so many signs is even or odd as their number is. */
  @Test
  void sumsOfSignsHaveTheParityOfTheDimension() {
    for (int inputs : new int[] {5, 6}) {
      try (Arena arena = Arena.ofConfined();
          Model line =
              Model.zeros(
                  Network.builder(Extent.image(1, 1, inputs))
                      .then(new Layer.Conv2d("layer", inputs, 7, Window.square(1), true))
                      .then(new Layer.Flatten())
                      .build());
          Queries signs =
              RandomProjection.signs(backend, ParameterBlock.of(line, true), 0, 300, SEED);
          InfluenceScores sums = new InfluenceScores(300, 1, List.of());
          PairScorer scorer = new PairScorer(backend, signs, sums, 0)) {
        Tensor input = ones(arena, Shape.of(1, 1, 1, inputs));
        Tensor gradient = ones(arena, Shape.of(1, 1, 1, 7));
        scorer.visiting(0, 1).visit(line.layers().get(0), input, gradient);
        scorer.passed();
        int dimension = 7 * (inputs + 1);
        double squares = 0;
        for (int row = 0; row < 300; row++) {
          float sum = sums.raw().get(row);
          assertEquals(dimension % 2, Math.abs((int) sum % 2), "row " + row);
          assertEquals((int) sum, sum);
          squares += (double) sum * sum / 300;
        }
        // E s² = d, with variance 2d² − 2d a row.
        assertEquals(dimension, squares, 5 * dimension * Math.sqrt(2.0 / 300));
      }
    }
  }

  private static Tensor ones(Arena arena, Shape shape) {
    Tensor ones = Tensor.zeros(arena, shape);
    for (long i = 0; i < ones.elements(); i++) {
      ones.set(i, 1);
    }
    return ones;
  }

  @Test
  void distancesBetweenGradientsAreKept() {
    int k = 1000;
    try (Arena arena = Arena.ofConfined();
        InverseCurvature identity = InverseCurvature.identity(model);
        InfluenceScores products =
            Influence.pairwise(
                model,
                backend,
                identity,
                DATA,
                Measurement.LOSS,
                DATA,
                PLAIN,
                Influence.Options.defaults(),
                Progress.NONE)) {
      Tensor projected = project(arena, backend, k, SEED, k);
      int n = (int) DATA.size();
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
          double exact =
              products.raw().get(i * n + i)
                  + products.raw().get(j * n + j)
                  - 2 * products.raw().get(i * n + j);
          double found = 0;
          for (int row = 0; row < k; row++) {
            found +=
                Math.pow(projected.get((long) row * n + i) - projected.get((long) row * n + j), 2);
          }
          assertTrue(exact > 0);
          // Five standard deviations of the relative error.
          assertEquals(1, found / exact, 5 * Math.sqrt(2.0 / k), i + ", " + j);
        }
      }
    }
  }

  @Test
  void aRowDependsOnTheSeedAndItsNumberOnly() {
    try (Arena arena = Arena.ofConfined()) {
      float[] whole = project(arena, backend, 8, SEED, 8).toArray();
      float[] inGroups = project(arena, backend, 8, SEED, 3).toArray();
      float[] other = project(arena, backend, 8, SEED + 1, 8).toArray();
      double largest = 0;
      double apart = 0;
      for (int i = 0; i < whole.length; i++) {
        largest = Math.max(largest, Math.abs(whole[i]));
        apart = Math.max(apart, Math.abs(whole[i] - other[i]));
      }
      assertTrue(apart > 0.1 * largest);
      assertArrayEquals(whole, inGroups, (float) (1e-6 * largest));
      assertThrows(IllegalArgumentException.class, () -> project(arena, backend, 0, SEED, 1));
    }
  }

  @Test
  void aDeviceDrawsTheSameBits() {
    System.setProperty(Device.Cuda.PROPERTY, "emulated");
    List<ParameterBlock> blocks = ParameterBlock.of(model, true);
    try (Backend cuda = Device.cuda(0).open();
        Queries here = RandomProjection.signs(backend, blocks, 5, 3, SEED);
        Queries there = RandomProjection.signs(cuda, blocks, 5, 3, SEED)) {
      for (ParameterBlock block : blocks) {
        float[] signs = here.values(block).toArray();
        assertArrayEquals(signs, there.values(block).toArray(), block.name());
        for (float sign : signs) {
          assertEquals(1, Math.abs(sign));
        }
      }
    } finally {
      System.clearProperty(Device.Cuda.PROPERTY);
    }
  }
}
