package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Window;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * One linear layer 2 → 2 with bias, three samples of two positions, given output gradients: figures
 * that kronfluence in float64 gives to 10⁻⁸.
 */
class GoldenVectorTest {
  private static final double[][][] X = {{{1, 2}, {0, 1}}, {{-1, 1}, {2, 0}}, {{1, -1}, {1, 1}}};
  private static final double[][][] G = {{{1, 0}, {0, 2}}, {{1, 1}, {-1, 0}}, {{2, -1}, {0, 1}}};
  private static final double[][][] QUERY_X = {{{1, 1}, {1, 0}}, {{0, 2}, {1, -1}}};
  private static final double[][][] QUERY_G = {{{1, -1}, {0, 1}}, {{2, 0}, {1, 1}}};
  private static final double DAMPING = 0.1;

  private static final double[][] IDENTITY = {{2, -3, 0}, {10, -1, 0}};
  private static final double[][] DIAGONAL = {
    {.7758279456, -.6293706294, .2613333106}, {4.3303014697, -1.7258639109, 1.2351616734}
  };
  private static final double[][] KFAC = {
    {.63007946, -.41539265, -.47748284}, {2.40588254, 1.70017851, -.03722512}
  };
  private static final double[][] KRONFLUENCE = {
    {1.1684029606, -.8964330133, -.8521904396}, {4.6406858611, 2.8996637175, -.1850150588}
  };
  private static final double[][] EKFAC = {
    {.5294191448, -3.1325816127, -.0774140378}, {2.2231693659, -2.8396163177, .4355335747}
  };
  private static final double[] EKFAC_SELF = {3.5195426700, 7.0578429223, 6.0190946314};
  private static final double[][] EKFAC_DEFAULT = {
    {.5064793976, -2.5851652009, -.1017226972}, {2.1433895447, -2.2408972550, .2836151742}
  };

  private static ReferenceBlock block(double[][][] x, double[][][] g) {
    double[][][] a = new double[x.length][2][];
    for (int n = 0; n < x.length; n++) {
      for (int t = 0; t < 2; t++) {
        a[n][t] = new double[] {x[n][t][0], x[n][t][1], 1};
      }
    }
    return new ReferenceBlock(a, new double[][][][] {g});
  }

  private static final ReferenceBlock TRAINING = block(X, G);
  private static final ReferenceBlock QUERIES = block(QUERY_X, QUERY_G);

  private interface Inverse {
    double[] apply(double[] p);
  }

  /** To the printed digits, half of the last of which is 5e-11 or, of KFC, 5e-9. */
  private static void assertScores(double[][] expected, double printed, Inverse inverse) {
    for (int q = 0; q < 2; q++) {
      double[] v = inverse.apply(QUERIES.gradient(0, q));
      for (int n = 0; n < 3; n++) {
        assertEquals(expected[q][n], ReferenceBlock.dot(v, TRAINING.gradient(0, n)), printed);
      }
    }
  }

  /** (Q diag(values) Qᵀ + λI) x = p by elimination, with Q the product of two factors' vectors. */
  private static double[] dense(
      ReferenceBlock.Basis basis, double[] values, double damping, double[] p) {
    int size = p.length;
    double[][] rows = new double[size][size + 1];
    for (int k = 0; k < size; k++) {
      double[] unit = new double[size];
      unit[k] = 1;
      double[] vector = basis.rotate(unit, true);
      for (int i = 0; i < size; i++) {
        for (int j = 0; j < size; j++) {
          rows[i][j] += values[k] * vector[i] * vector[j];
        }
      }
    }
    for (int i = 0; i < size; i++) {
      rows[i][i] += damping;
      rows[i][size] = p[i];
    }
    return eliminate(rows);
  }

  /** Of a positive definite matrix, with its right side as last column. */
  private static double[] eliminate(double[][] rows) {
    int size = rows.length;
    for (int k = 0; k < size; k++) {
      for (int i = 0; i < size; i++) {
        double factor = i == k ? 0 : rows[i][k] / rows[k][k];
        for (int j = k; j <= size; j++) {
          rows[i][j] -= factor * rows[k][j];
        }
      }
    }
    double[] x = new double[size];
    for (int i = 0; i < size; i++) {
      x[i] = rows[i][size] / rows[i][i];
    }
    return x;
  }

  /** No eigenvectors: B ⊗ A entry by entry, B divided by {@code positions} too. */
  private static double[] denseKronecker(double positions, double[] p) {
    double[] a = TRAINING.inputFactor(false);
    double[] b = TRAINING.gradientFactor(false);
    double[][] rows = new double[6][7];
    for (int i = 0; i < 6; i++) {
      for (int j = 0; j < 6; j++) {
        rows[i][j] = b[i / 3 * 2 + j / 3] * a[i % 3 * 3 + j % 3] / positions;
      }
      rows[i][i] += DAMPING;
      rows[i][6] = p[i];
    }
    return eliminate(rows);
  }

  @Test
  void theReferenceAgreesWithElimination() {
    ReferenceBlock.Basis basis = TRAINING.basis(false);
    double[] lambda = TRAINING.corrected(basis);
    for (int q = 0; q < 2; q++) {
      double[] p = QUERIES.gradient(0, q);
      double[] corrected = ReferenceBlock.inverse(basis, lambda, DAMPING, p);
      assertRelative(dense(basis, lambda, DAMPING, p), corrected);
      double[] kronecker = ReferenceBlock.inverse(basis, basis.kronecker(), DAMPING, p);
      assertRelative(denseKronecker(1, p), kronecker);
      double[] smaller = ReferenceBlock.scaled(basis.kronecker(), 0.5);
      assertRelative(denseKronecker(2, p), ReferenceBlock.inverse(basis, smaller, DAMPING, p));
    }
  }

  private static void assertRelative(double[] expected, double[] actual) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    assertArrayEquals(expected, actual, 1e-10 * largest);
  }

  @Test
  void theReferenceGivesIt() {
    ReferenceBlock.Basis basis = TRAINING.basis(false);
    assertArrayEquals(
        new double[] {8 / 6., 1 / 6., 4 / 6., 1 / 6., 8 / 6., 4 / 6., 4 / 6., 4 / 6., 1},
        TRAINING.inputFactor(false),
        1e-15);
    assertArrayEquals(
        new double[] {0.2746083408, 1.1666666667, 2.2253916592}, basis.input().values(), 1e-9);
    // The golden B is the mean over positions; KFC's is twice that.
    assertArrayEquals(new double[] {2, 8 / 3.}, basis.gradient().values(), 1e-14);
    double[] lambda = TRAINING.corrected(basis);
    assertArrayEquals(
        new double[] {1.6551758667, 12.25, 13.5948241333, 3.7463444258, 10.25, 1.5036555742},
        ReferenceBlock.scaled(lambda, 3),
        1e-9);
    double[] diagonal = TRAINING.diagonal();
    assertArrayEquals(new double[] {14, 9, 5, 1, 9, 5}, ReferenceBlock.scaled(diagonal, 3), 1e-12);
    assertEquals(43, 3 * Arrays.stream(lambda).sum(), 1e-12);
    assertScores(IDENTITY, 1e-12, p -> p);
    assertScores(
        DIAGONAL,
        1e-9,
        p -> {
          double[] out = p.clone();
          for (int i = 0; i < out.length; i++) {
            out[i] /= diagonal[i] + DAMPING;
          }
          return out;
        });
    assertScores(KFAC, 1e-8, p -> ReferenceBlock.inverse(basis, basis.kronecker(), DAMPING, p));
    double[] smaller = ReferenceBlock.scaled(basis.kronecker(), 0.5);
    assertScores(KRONFLUENCE, 1e-9, p -> ReferenceBlock.inverse(basis, smaller, DAMPING, p));
    assertScores(EKFAC, 1e-9, p -> ReferenceBlock.inverse(basis, lambda, DAMPING, p));
    double standard = 0.1 * ReferenceBlock.mean(lambda);
    assertEquals(.2388888889, standard, 1e-10);
    assertScores(EKFAC_DEFAULT, 1e-9, p -> ReferenceBlock.inverse(basis, lambda, standard, p));
  }

  /** What the shipped code makes of the same rows. */
  private static final class Shipped implements AutoCloseable {
    final Arena arena = Arena.ofShared();
    final Backend backend = Device.cpu(2).open();
    final Model model =
        Model.zeros(
            Network.builder(Extent.image(1, 2, 2))
                .then(new Layer.Conv2d("layer", 2, 2, Window.square(1), true))
                .then(new Layer.Flatten())
                .build());
    final ParametricLayer layer = model.layers().get(0);
    final Tensor x = tensor(X);
    final Tensor g = tensor(G);
    final EkFac ekfac;
    final Parameters diagonal = model.parameters().zerosLike(arena);

    Shipped() {
      FactorOptions options = FactorOptions.defaults();
      try (KroneckerFactors factors = new KroneckerFactors(model, backend, options);
          KroneckerFactors.Visitor visitor = factors.new Visitor(backend);
          SquaredGradients squares = new SquaredGradients(model, backend)) {
        visitor.pass(0);
        visitor.visit(layer, x, g);
        factors.count(3);
        ekfac = EkFac.of(factors);
        EkFac.Correction correction = ekfac.new Correction(backend);
        correction.visit(layer, x, g);
        correction.count(3);
        correction.finish();
        correction.close();
        squares.visit(layer, x, g);
        squares.value(diagonal);
      }
      for (long i = 0; i < diagonal.count(); i++) {
        diagonal.flat().set(i, diagonal.flat().get(i) / 3);
      }
    }

    Tensor tensor(double[][][] rows) {
      Tensor tensor = Tensor.zeros(arena, rows.length, 1, 2, 2);
      for (int i = 0; i < tensor.elements(); i++) {
        tensor.set(i, (float) rows[i / 4][i / 2 % 2][i % 2]);
      }
      return tensor;
    }

    InfluenceScores scores(InverseCurvature inverse) {
      Map<String, Tensor> gradients = new LinkedHashMap<>();
      gradients.put("layer", Tensor.zeros(arena, Shape.of(2, 2, 3)));
      try (SampleBlockGradients writer =
          new SampleBlockGradients(backend, inverse.blocks(), gradients)) {
        writer.visit(layer, tensor(QUERY_X), tensor(QUERY_G));
      }
      InfluenceScores scores = new InfluenceScores(2, 3, inverse.blocks());
      try (Queries queries = Queries.of(backend, inverse, gradients);
          PairScorer scorer = new PairScorer(backend, queries, scores, 0)) {
        scorer.visiting(0, 3).visit(layer, x, g);
        scorer.passed();
      }
      return scores;
    }

    double[] self(InverseCurvature inverse) {
      try (InfluenceScores scores = new InfluenceScores(1, 3, inverse.blocks());
          SelfScorer scorer = new SelfScorer(backend, inverse, scores)) {
        scorer.visiting(0, 3).visit(layer, x, g);
        scorer.passed();
        return doubles(scores.raw());
      }
    }

    @Override
    public void close() {
      ekfac.close();
      model.close();
      backend.close();
      arena.close();
    }
  }

  private static double[] doubles(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i);
    }
    return values;
  }

  private static void assertFloats(double[][] expected, InfluenceScores scores) {
    double[] want = Arrays.stream(expected).flatMapToDouble(Arrays::stream).toArray();
    double largest = Arrays.stream(want).map(Math::abs).max().orElse(0);
    assertArrayEquals(want, doubles(scores.raw()), 1e-5 * largest);
  }

  @Test
  void theShippedCodeGivesIt() {
    try (Shipped shipped = new Shipped()) {
      double[] lambda = doubles(shipped.ekfac.eigenvalues(shipped.ekfac.blocks().get(0)));
      assertArrayEquals(
          new double[] {1.6551758667, 12.25, 13.5948241333, 3.7463444258, 10.25, 1.5036555742},
          ReferenceBlock.scaled(lambda, 3),
          43e-5);
      Damping tenth = Damping.absolute(DAMPING);
      try (InverseCurvature identity = InverseCurvature.identity(shipped.model);
          InverseCurvature diagonal =
              InverseCurvature.diagonal(shipped.model, shipped.diagonal, tenth);
          InverseCurvature kfac = InverseCurvature.kfac(shipped.ekfac, tenth);
          InverseCurvature kronfluence =
              InverseCurvature.kfac(shipped.ekfac, tenth, KfacScaling.KRONFLUENCE, shipped.model);
          InverseCurvature ekfac = InverseCurvature.ekfac(shipped.ekfac, tenth);
          InverseCurvature standard = InverseCurvature.ekfac(shipped.ekfac, Damping.defaults())) {
        assertFloats(IDENTITY, shipped.scores(identity));
        assertFloats(DIAGONAL, shipped.scores(diagonal));
        assertFloats(KFAC, shipped.scores(kfac));
        assertFloats(KRONFLUENCE, shipped.scores(kronfluence));
        assertFloats(EKFAC, shipped.scores(ekfac));
        assertFloats(EKFAC_DEFAULT, shipped.scores(standard));
        assertArrayEquals(new double[] {14, 13, 16}, shipped.self(identity), 1e-4);
        assertArrayEquals(EKFAC_SELF, shipped.self(ekfac), 7e-5);
      }
    }
  }
}
