package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Normalisation;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * What kronfluence and curvlinops make of one network, in float64 (resources/…/peers.py): the
 * reference gives it to 10⁻¹⁰ from the same rows, the shipped code within float32's bound from the
 * same weights and images.
 */
class PeerFixturesTest {
  /** Of the largest value, float64 against float64. */
  private static final double EXACT = 1e-10;

  /** A statistic in float32 against float64 (architecture's bound). */
  private static final double FLOAT = 1e-5;

  private static final Normalisation PLAIN = Normalisation.identity(2);

  private static final List<PeerLayer> LAYERS = PeerLayer.ALL;

  private static SafetensorsFile kronfluence;
  private static SafetensorsFile curvlinops;
  private static Backend backend;
  private static Model model;

  @BeforeAll
  static void open() {
    kronfluence = PeerLayer.open("kronfluence");
    curvlinops = PeerLayer.open("curvlinops");
    backend = Device.cpu(2).open();
    model = PeerLayer.model(kronfluence);
  }

  @AfterAll
  static void close() {
    model.close();
    backend.close();
    curvlinops.close();
    kronfluence.close();
  }

  private static void assertClose(
      String what, double[] expected, double[] actual, double relative) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    assertTrue(largest > 0, what + ": the peer's is zero");
    assertArrayEquals(expected, actual, relative * largest, what);
  }

  /** The diagonal's, KFAC's or EK-FAC's eigenvalues of a block as kronfluence has them. */
  private static double[] eigenvalues(
      String strategy, ReferenceBlock block, ReferenceBlock.Basis basis) {
    return switch (strategy) {
      case "diagonal" -> block.diagonal();
      // kronfluence's B is a mean over positions too.
      case "kfac" -> ReferenceBlock.scaled(basis.kronecker(), 1.0 / block.a()[0].length);
      default -> block.corrected(basis);
    };
  }

  private static double[] precondition(
      String strategy, boolean absolute, ReferenceBlock block, double[] p) {
    if (strategy.equals("identity")) {
      return p;
    }
    ReferenceBlock.Basis basis = block.basis(false);
    double[] values = eigenvalues(strategy, block, basis);
    double damping = absolute ? 0.01 : 0.1 * ReferenceBlock.mean(values);
    if (strategy.equals("diagonal")) {
      double[] out = p.clone();
      Arrays.setAll(out, i -> out[i] / (values[i] + damping));
      return out;
    }
    return ReferenceBlock.inverse(basis, values, damping, p);
  }

  /** Of every query, or of every example itself if there are none. */
  private static double[] scores(String strategy, boolean absolute, boolean self) {
    int asked = self ? 1 : PeerLayer.QUERIES;
    double[] sum = new double[asked * PeerLayer.SAMPLES];
    for (PeerLayer layer : LAYERS) {
      ReferenceBlock train = layer.block(kronfluence, "train");
      ReferenceBlock query = layer.block(kronfluence, "query");
      for (int q = 0; q < asked; q++) {
        for (int n = 0; n < PeerLayer.SAMPLES; n++) {
          double[] p = train.gradient(0, n);
          double[] of = self ? p : query.gradient(0, q);
          sum[q * PeerLayer.SAMPLES + n] +=
              ReferenceBlock.dot(precondition(strategy, absolute, train, of), p);
        }
      }
    }
    return sum;
  }

  @Test
  void theReferenceAgreesWithKronfluence() {
    for (PeerLayer layer : LAYERS) {
      ReferenceBlock block = layer.block(kronfluence, "train");
      ReferenceBlock.Basis basis = block.basis(false);
      double positions = block.a()[0].length;
      assertClose(
          layer + " A",
          PeerLayer.doubles(kronfluence, "activation_eigenvalues." + layer.name()),
          basis.input().values(),
          EXACT);
      assertClose(
          layer + " B",
          PeerLayer.doubles(kronfluence, "gradient_eigenvalues." + layer.name()),
          ReferenceBlock.scaled(basis.gradient().values(), 1 / positions),
          EXACT);
      assertClose(
          layer + " Λ",
          PeerLayer.doubles(kronfluence, "lambda_matrix." + layer.name()),
          ReferenceBlock.scaled(block.corrected(basis), PeerLayer.SAMPLES),
          EXACT);
    }
    forAll(
        (strategy, absolute) -> {
          String name = strategy + (absolute ? ".absolute" : ".default");
          assertClose(
              name,
              PeerLayer.doubles(kronfluence, "pairwise." + name),
              scores(strategy, absolute, false),
              EXACT);
          assertClose(
              name + ", self",
              PeerLayer.doubles(kronfluence, "self." + name),
              scores(strategy, absolute, true),
              EXACT);
          return null;
        });
  }

  private static void forAll(BiFunction<String, Boolean, Void> check) {
    for (String strategy : List.of("identity", "diagonal", "kfac", "ekfac")) {
      check.apply(strategy, true);
      check.apply(strategy, false);
    }
  }

  private static InverseCurvature inverse(String strategy, boolean absolute, EkFac ekfac) {
    Damping damping = absolute ? Damping.absolute(0.01) : Damping.relative(0.1);
    return switch (strategy) {
      case "identity" -> InverseCurvature.identity(model);
      case "diagonal" -> {
        try (FisherDiagonal diagonal =
            FisherDiagonal.of(
                model,
                backend,
                PeerLayer.data(kronfluence, false),
                PLAIN,
                FisherDiagonal.Options.defaults().withLabels(Labels.TRUE),
                Progress.NONE)) {
          yield InverseCurvature.diagonal(model, diagonal.values(), damping);
        }
      }
      case "kfac" -> InverseCurvature.kfac(ekfac, damping, KfacScaling.KRONFLUENCE, model);
      default -> InverseCurvature.ekfac(ekfac, damping);
    };
  }

  private static double[] doubles(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    Arrays.setAll(values, i -> tensor.get(i));
    return values;
  }

  @Test
  void theShippedCodeAgreesWithKronfluence() {
    PeerLayer.Images training = PeerLayer.data(kronfluence, false);
    PeerLayer.Images queries = PeerLayer.data(kronfluence, true);
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.TRUE).withBatchSize(5);
    try (KroneckerFactors factors =
            KroneckerFactors.of(model, backend, training, PLAIN, options, Progress.NONE);
        EkFac ekfac = EkFac.of(factors, model, backend, training, PLAIN, Progress.NONE)) {
      forAll(
          (strategy, absolute) -> {
            String name = strategy + (absolute ? ".absolute" : ".default");
            Influence.Options batches = Influence.Options.defaults().withBatchSize(5);
            try (InverseCurvature inverse = inverse(strategy, absolute, ekfac);
                InfluenceScores pairs =
                    Influence.pairwise(
                        model,
                        backend,
                        inverse,
                        queries,
                        Measurement.LOSS,
                        training,
                        PLAIN,
                        batches,
                        Progress.NONE);
                InfluenceScores self =
                    Influence.self(
                        model, backend, inverse, training, PLAIN, batches, Progress.NONE)) {
              double[] want = PeerLayer.doubles(kronfluence, "pairwise." + name);
              double[] own = PeerLayer.doubles(kronfluence, "self." + name);
              assertClose(name, want, doubles(pairs.raw()), FLOAT);
              assertClose(name + ", self", own, doubles(self.raw()), FLOAT);
            }
            return null;
          });
    }
  }

  private interface Product {
    /** H·p of a layer's gradient-like matrix, [outputs, features and bias]. */
    double[] of(PeerLayer layer, double[] p);
  }

  /** What a product does to curvlinops' two vectors. */
  private static void assertProduct(String name, double relative, Product product) {
    double[] vectors = PeerLayer.doubles(curvlinops, "vectors");
    double[] out = new double[vectors.length];
    int at = 0;
    for (PeerLayer layer : LAYERS) {
      for (int v = 0; v < 2; v++) {
        layer.scatter(product.of(layer, layer.gather(vectors, at, v)), out, at, v);
      }
      at += layer.parameters();
    }
    assertClose(name, PeerLayer.doubles(curvlinops, name), out, relative);
  }

  private static double[] multiply(ReferenceBlock.Basis basis, double[] values, double[] p) {
    double[] rotated = basis.rotate(p, false);
    Arrays.setAll(rotated, i -> rotated[i] * values[i]);
    return basis.rotate(rotated, true);
  }

  private interface Choice {
    void check(String curvature, boolean reduce, boolean joint);
  }

  private static void forEach(Choice check) {
    for (String curvature : List.of("kfac", "ekfac")) {
      for (boolean joint : new boolean[] {true, false}) {
        check.check(curvature, false, joint);
        if (curvature.equals("kfac")) {
          // The pooled A has null directions, which EK-FAC's correction depends on the choice of.
          check.check(curvature, true, joint);
        }
      }
    }
  }

  private static String name(String curvature, boolean reduce, boolean joint) {
    return curvature + (reduce ? ".reduce" : ".expand") + (joint ? ".joint" : ".separate");
  }

  @Test
  void theReferenceAgreesWithCurvlinops() {
    forEach(
        (curvature, reduce, joint) ->
            assertProduct(
                name(curvature, reduce, joint),
                EXACT,
                (layer, p) -> {
                  double[] out = new double[p.length];
                  int bias = layer.features();
                  for (int[] part :
                      joint
                          ? new int[][] {{0, bias + 1}}
                          : new int[][] {{0, bias}, {bias, bias + 1}}) {
                    ReferenceBlock block =
                        PeerLayer.columns(layer.exact(kronfluence, curvlinops), part[0], part[1]);
                    ReferenceBlock.Basis basis = block.basis(reduce);
                    double[] values =
                        curvature.equals("kfac") ? basis.kronecker() : block.corrected(basis);
                    double[] of = layer.take(p, part[0], part[1]);
                    layer.put(multiply(basis, values, of), out, part[0], part[1]);
                  }
                  return out;
                }));
  }

  @Test
  void theShippedCodeAgreesWithCurvlinops() {
    forEach(
        (curvature, reduce, joint) -> {
          FactorOptions options =
              FactorOptions.defaults().withFisher(Labels.EXACT).withBatchSize(5);
          options = reduce ? options.withReduce() : options;
          options = joint ? options : options.withSeparateBias();
          PeerLayer.Images data = PeerLayer.data(kronfluence, false);
          try (KroneckerFactors factors =
                  KroneckerFactors.of(model, backend, data, PLAIN, options, Progress.NONE);
              EkFac ekfac = EkFac.of(factors, model, backend, data, PLAIN, Progress.NONE)) {
            assertProduct(
                name(curvature, reduce, joint),
                FLOAT,
                (layer, p) -> {
                  double[] out = new double[p.length];
                  for (ParameterBlock block : ekfac.blocks()) {
                    if (!block.layer().equals(layer.name())) {
                      continue;
                    }
                    int from = block.part() == ParameterBlock.Part.BIAS ? layer.features() : 0;
                    int to = from + (int) block.columns();
                    Tensor values =
                        curvature.equals("kfac")
                            ? ekfac.kroneckerEigenvalues(block)
                            : ekfac.eigenvalues(block);
                    double[] of = layer.take(layer.ours(p), from, to);
                    layer.put(
                        multiply(
                            ReferenceBlock.Basis.of(ekfac.bases().get(block.name()), 0),
                            doubles(values),
                            of),
                        out,
                        from,
                        to);
                  }
                  return layer.theirs(out);
                });
          }
        });
  }
}
