package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.SingularValues;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Every route to a score, and what it costs. */
class ScoreRouteTest {
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final TinyData TRAINING = CurvatureNets.data(13);
  private static final TinyData ASKED = new TinyData(5, CurvatureNets.IMAGE, 3, 77, 500);
  private static final Influence.Options OPTIONS =
      Influence.Options.defaults().withBatchSize(4).withBlocks();

  private static Model model;
  private static Backend backend;
  private static InverseCurvature inverse;
  private static Queries queries;

  @BeforeAll
  static void prepare() {
    model = Model.initialise(CurvatureNets.all(), 3);
    backend = Device.cpu(2).open();
    inverse = InverseCurvature.identity(model);
    queries =
        Queries.of(model, backend, inverse, ASKED, PLAIN, Measurement.MARGIN, 5, Progress.NONE);
  }

  @AfterAll
  static void release() {
    queries.close();
    inverse.close();
    backend.close();
    model.close();
  }

  private static InfluenceScores scores(Queries of, ScoreRoute route) {
    return Influence.pairwise(
        model, backend, of, TRAINING, PLAIN, OPTIONS.withRoute(route), Progress.NONE);
  }

  private static double largest(Tensor tensor) {
    double largest = 0;
    for (long i = 0; i < tensor.elements(); i++) {
      largest = Math.max(largest, Math.abs(tensor.get(i)));
    }
    return largest;
  }

  private static void assertSame(InfluenceScores expected, InfluenceScores actual) {
    for (String block : expected.blocks().keySet()) {
      Tensor want = expected.blocks().get(block);
      Tensor got = actual.blocks().get(block);
      double scale = 1e-5 * largest(want);
      assertTrue(scale > 0, block + ": the reference is zero");
      for (long i = 0; i < want.elements(); i++) {
        assertEquals(want.get(i), got.get(i), scale, block + " " + i);
      }
    }
  }

  @Test
  void everyRouteGivesTheSame() {
    try (InfluenceScores formed = scores(queries, ScoreRoute.FORMED);
        InfluenceScores first = scores(queries, ScoreRoute.QUERIES_FIRST);
        Queries low = queries.lowRank(2);
        InfluenceScores lowFormed = scores(low, ScoreRoute.FORMED);
        InfluenceScores lowRank = scores(low, ScoreRoute.LOW_RANK)) {
      assertSame(formed, first);
      assertSame(lowFormed, lowRank);
    }
  }

  @Test
  void aLowRankIsWrongByNoMoreThanWhatItLeavesOut() {
    int cut = 0;
    try (Queries low = queries.lowRank(2);
        Queries whole = queries.lowRank(100);
        InfluenceScores exact = scores(queries, ScoreRoute.FORMED);
        InfluenceScores same = scores(whole, ScoreRoute.FORMED);
        InfluenceScores near = scores(low, ScoreRoute.LOW_RANK);
        InverseCurvature unit = InverseCurvature.identity(model);
        InfluenceScores norms =
            Influence.self(model, backend, unit, TRAINING, PLAIN, OPTIONS, Progress.NONE)) {
      for (ParameterBlock block : queries.blocks()) {
        Tensor want = exact.blocks().get(block.name());
        Tensor got = near.blocks().get(block.name());
        long examples = want.shape().size(1);
        cut += low.factors(block).isPresent() ? 1 : 0;
        for (long i = 0; i < want.elements(); i++) {
          assertEquals(want.get(i), same.blocks().get(block.name()).get(i));
          double left = distance(queries.values(block), low.values(block), i / examples);
          double norm = Math.sqrt(norms.blocks().get(block.name()).get(i % examples));
          double rounding = 1e-5 * largest(want);
          assertEquals(want.get(i), got.get(i), left * norm + rounding, block.name());
        }
      }
    }
    assertTrue(cut >= 4, "only " + cut + " blocks were cut");
    assertThrows(IllegalArgumentException.class, () -> queries.lowRank(0));
  }

  @Test
  void aLowRankIsTheNearestOfThatRank() {
    try (Queries low = queries.lowRank(2)) {
      for (ParameterBlock block : queries.blocks()) {
        if (low.factors(block).isEmpty()) {
          continue;
        }
        Shape one = Shape.of(block.outputs(), block.columns());
        Tensor matrix = queries.values(block).slice(3 * one.elements(), one);
        try (SingularValues found = SingularValues.of(matrix)) {
          double left = 0;
          for (long k = 2; k < found.count(); k++) {
            left += found.value(k) * found.value(k);
          }
          double distance = distance(queries.values(block), low.values(block), 3);
          assertEquals(Math.sqrt(left), distance, 1e-5 * found.value(0), block.name());
        }
      }
    }
  }

  @Test
  void projectionsDoNotDependOnHowManySamplesAreProjectedAtOnce() {
    ParameterBlock block =
        queries.blocks().stream().filter(b -> b.name().equals("conv1")).findFirst().orElseThrow();
    try (Arena arena = Arena.ofConfined();
        ProjectedQueries whole = new ProjectedQueries(backend, block, queries.values(block));
        ProjectedQueries single = new ProjectedQueries(backend, block, queries.values(block))) {
      single.atOnce(1);
      Tensor input = Tensor.zeros(arena, 3, 7, 6, 3);
      Tensor gradient = Tensor.zeros(arena, 3, 7, 6, 6);
      SplittableRandom random = new SplittableRandom(2);
      for (Tensor tensor : new Tensor[] {input, gradient}) {
        for (long i = 0; i < tensor.elements(); i++) {
          tensor.set(i, random.nextFloat());
        }
      }
      Tensor[] scores = new Tensor[4];
      for (int i = 0; i < 4; i++) {
        scores[i] = Tensor.zeros(arena, i < 2 ? Shape.of(5, 3) : Shape.of(5, 3, 42));
      }
      whole.scores(input, gradient, scores[0]);
      single.scores(input, gradient, scores[1]);
      whole.positions(input, gradient, scores[2]);
      single.positions(input, gradient, scores[3]);
      for (int pair = 0; pair < 4; pair += 2) {
        double scale = 1e-5 * largest(scores[pair]);
        assertTrue(scale > 0);
        for (long i = 0; i < scores[pair].elements(); i++) {
          assertEquals(scores[pair].get(i), scores[pair + 1].get(i), scale);
        }
      }
    }
  }

  private static double distance(Tensor a, Tensor b, long query) {
    long size = a.elements() / a.shape().size(0);
    double sum = 0;
    for (long i = query * size; i < (query + 1) * size; i++) {
      sum += Math.pow((double) a.get(i) - b.get(i), 2);
    }
    return Math.sqrt(sum);
  }

  @Test
  void positionsSumToTheBlock() {
    try (Arena arena = Arena.ofConfined();
        InfluenceScores scores = scores(queries, ScoreRoute.FORMED)) {
      for (String block : new String[] {"conv1", "conv3", "fc"}) {
        Tensor each =
            Influence.perPosition(
                arena, model, backend, queries, block, TRAINING, PLAIN, OPTIONS, Progress.NONE);
        Tensor whole = scores.blocks().get(block);
        long positions = each.shape().size(2);
        assertEquals(
            queries.blocks().stream()
                .filter(b -> b.name().equals(block))
                .findFirst()
                .orElseThrow()
                .positions(model),
            positions);
        for (long i = 0; i < whole.elements(); i++) {
          double sum = 0;
          for (long t = 0; t < positions; t++) {
            sum += each.get(i * positions + t);
          }
          assertEquals(whole.get(i), sum, 1e-5 * largest(whole), block);
        }
      }
      for (String none : new String[] {"tied", "conv2", "norm", "nothing"}) {
        assertThrows(
            IllegalArgumentException.class,
            () ->
                Influence.perPosition(
                    arena, model, backend, queries, none, TRAINING, PLAIN, OPTIONS, Progress.NONE));
      }
    }
  }

  /** Of 512 outputs and 4608 features; ties go to the first. */
  @Test
  void theCheapestRouteFollowsTheOperations() {
    for (int q : new int[] {1, 2, 3, 51}) {
      for (int t : new int[] {1, 2, 3, 16, 1024}) {
        ScoreRoute without = ScoreRoute.cheapest(q, t, 512, 4608, 0);
        boolean queriesFirst = t == 1 || q == 1;
        assertEquals(
            queriesFirst ? ScoreRoute.QUERIES_FIRST : ScoreRoute.FORMED, without, q + ", " + t);
        ScoreRoute with = ScoreRoute.ofRank(q, t, 512, 4608, 32);
        boolean low = (double) q * t * 32 * (512 + 4608 + 1) < (double) (t + q) * 512 * 4608;
        assertEquals(low ? ScoreRoute.LOW_RANK : ScoreRoute.FORMED, with, q + ", " + t);
      }
    }
    assertEquals(ScoreRoute.FORMED, ScoreRoute.ofRank(51, 1, 512, 4608, 0));
    assertEquals(2.0 * (16 + 51) * 512 * 4608, ScoreRoute.FORMED.operations(51, 16, 512, 4608, 0));
  }
}
