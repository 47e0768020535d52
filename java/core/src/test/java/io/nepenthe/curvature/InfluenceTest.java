package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Scores against the float64 reference, and against each other. */
class InfluenceTest {
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final TinyData TRAINING = CurvatureNets.data(13);
  private static final TinyData QUERIES = new TinyData(5, CurvatureNets.IMAGE, 3, 77, 500);
  private static final Influence.Options OPTIONS =
      Influence.Options.defaults().withBatchSize(4).withBlocks();

  private static Model model;
  private static Backend backend;
  private static EkFac ekfac;
  private static InverseCurvature inverse;

  @BeforeAll
  static void fit() {
    model = Model.initialise(CurvatureNets.all(), 3);
    backend = Device.cpu(2).open();
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.EXACT);
    try (KroneckerFactors factors =
        KroneckerFactors.of(model, backend, TRAINING, PLAIN, options, Progress.NONE)) {
      ekfac = EkFac.of(factors, model, backend, TRAINING, PLAIN, Progress.NONE);
    }
    inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
  }

  @AfterAll
  static void release() {
    inverse.close();
    ekfac.close();
    backend.close();
    model.close();
  }

  private static InfluenceScores pairwise(
      TinyData queries, TinyData training, Measurement measurement, Influence.Options options) {
    return Influence.pairwise(
        model, backend, inverse, queries, measurement, training, PLAIN, options, Progress.NONE);
  }

  private static double largest(Tensor tensor) {
    double largest = 0;
    for (long i = 0; i < tensor.elements(); i++) {
      largest = Math.max(largest, Math.abs(tensor.get(i)));
    }
    return largest;
  }

  private static void assertClose(Tensor expected, Tensor actual, double relative) {
    double scale = relative * largest(expected);
    assertTrue(scale > 0, "the reference is zero");
    for (long i = 0; i < expected.elements(); i++) {
      assertEquals(expected.get(i), actual.get(i), scale, "score " + i);
    }
  }

  @ParameterizedTest
  @EnumSource(Measurement.class)
  void pairsAgreeWithTheReference(Measurement measurement) {
    Captured training = Captured.measured(model, TRAINING, Measurement.LOSS);
    Captured queries = Captured.measured(model, QUERIES, measurement);
    try (InfluenceScores scores = pairwise(QUERIES, TRAINING, measurement, OPTIONS)) {
      for (ParameterBlock block : inverse.blocks()) {
        if (block.isDiagonal() || block.groups() > 1) {
          continue;
        }
        EigenBasis basis = inverse.basis(block).orElseThrow();
        Tensor got = scores.blocks().get(block.name());
        double[] weights = values(inverse.weights(block));
        ReferenceBlock.Basis rotation = ReferenceBlock.Basis.of(basis, 0);
        double scale = 2e-5 * largest(got);
        for (int q = 0; q < 5; q++) {
          double[] v = rotation.rotate(queries.blocks.get(block.name()).gradient(0, q), false);
          for (int i = 0; i < v.length; i++) {
            v[i] *= weights[i];
          }
          v = rotation.rotate(v, true);
          for (int n = 0; n < 13; n++) {
            double expected =
                ReferenceBlock.dot(v, training.blocks.get(block.name()).gradient(0, n));
            assertEquals(expected, got.get(q * 13 + n), scale, block.name());
          }
        }
      }
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i);
    }
    return values;
  }

  @Test
  void selfIsTheDiagonalOfPairs() {
    try (InverseCurvature identity = InverseCurvature.identity(model)) {
      for (InverseCurvature some : new InverseCurvature[] {inverse, identity}) {
        try (InfluenceScores self =
                Influence.self(model, backend, some, TRAINING, PLAIN, OPTIONS, Progress.NONE);
            InfluenceScores pairs =
                Influence.pairwise(
                    model,
                    backend,
                    some,
                    TRAINING,
                    Measurement.LOSS,
                    TRAINING,
                    PLAIN,
                    OPTIONS,
                    Progress.NONE)) {
          double scale = 1e-5 * largest(self.raw());
          for (int n = 0; n < 13; n++) {
            assertTrue(self.raw().get(n) >= 0);
            assertEquals(pairs.raw().get(n * 13 + n), self.raw().get(n), scale, "total");
            for (String block : pairs.blocks().keySet()) {
              assertEquals(
                  pairs.blocks().get(block).get(n * 13 + n),
                  self.blocks().get(block).get(n),
                  scale,
                  block);
            }
          }
        }
      }
    }
  }

  @Test
  void blocksSumToTheTotalAndNothingDependsOnTheBatches() {
    try (InfluenceScores scores = pairwise(QUERIES, TRAINING, Measurement.MARGIN, OPTIONS);
        InfluenceScores other =
            pairwise(
                QUERIES,
                TRAINING,
                Measurement.MARGIN,
                OPTIONS.withBatchSize(13).withQueryBytes(2 * 4 * model.parameters().count()))) {
      for (long i = 0; i < scores.raw().elements(); i++) {
        double sum = 0;
        for (Tensor block : scores.blocks().values()) {
          sum += block.get(i);
        }
        assertEquals(sum, scores.raw().get(i), 1e-6 * largest(scores.raw()));
      }
      // Another batch size, and queries in three groups: equal up to the forward pass's last bits.
      assertClose(scores.raw(), other.raw(), 1e-5);
      assertEquals(scores.raw().get(14) / 100.0, scores.perExample(1, 1, 100), 1e-12);
    }
  }

  @Test
  void aggregatesAreSums() {
    try (Queries queries =
            Queries.of(
                model, backend, inverse, QUERIES, PLAIN, Measurement.LOSS, 5, Progress.NONE);
        Queries sum = queries.sum();
        InfluenceScores each =
            Influence.pairwise(model, backend, queries, TRAINING, PLAIN, OPTIONS, Progress.NONE);
        InfluenceScores summed =
            Influence.pairwise(model, backend, sum, TRAINING, PLAIN, OPTIONS, Progress.NONE)) {
      double[] all =
          Influence.aggregated(model, backend, queries, TRAINING, PLAIN, 4, Progress.NONE);
      double scale = 13e-5 * largest(each.raw());
      for (int n = 0; n < 13; n++) {
        double total = 0;
        for (int q = 0; q < 5; q++) {
          total += each.raw().get(q * 13 + n);
        }
        assertEquals(total, summed.raw().get(n), scale);
      }
      for (int q = 0; q < 5; q++) {
        double total = 0;
        for (int n = 0; n < 13; n++) {
          total += each.raw().get(q * 13 + n);
        }
        assertEquals(total, all[q], scale);
      }
    }
  }

  @Test
  void aLossAndALogLikelihoodHaveOppositeSigns() {
    try (InfluenceScores loss = pairwise(QUERIES, TRAINING, Measurement.LOSS, OPTIONS);
        InfluenceScores likelihood =
            pairwise(QUERIES, TRAINING, Measurement.LOG_LIKELIHOOD, OPTIONS)) {
      for (long i = 0; i < loss.raw().elements(); i++) {
        assertEquals(-loss.raw().get(i), likelihood.raw().get(i), 1e-6 * largest(loss.raw()));
      }
    }
  }

  @Test
  void anAbsoluteDampingOfAnyBlockCanBeGiven() {
    Map<String, Double> blocks = Map.of("fc", 0.5);
    try (InverseCurvature some = InverseCurvature.ekfac(ekfac, new Damping(0.1, -1, blocks))) {
      ParameterBlock fc =
          some.blocks().stream()
              .filter(block -> block.name().equals("fc"))
              .findFirst()
              .orElseThrow();
      for (long i = 0; i < fc.size(); i++) {
        double expected = 1 / (ekfac.eigenvalues(fc).get(i) + 0.5);
        assertEquals(expected, some.weights(fc).get(i), 1e-7 * expected);
      }
    }
  }
}
