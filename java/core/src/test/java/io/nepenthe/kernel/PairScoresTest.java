package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class PairScoresTest {
  private static void run(
      Backend backend,
      LayerCase some,
      long from,
      long to,
      boolean bias,
      Tensor queries,
      Tensor scores) {
    PerSample operations = backend.perSample();
    Tensor input = some.input(from, to);
    Tensor gradient = some.gradient(from, to);
    try (Arena arena = Arena.ofConfined()) {
      PackedQueries packed =
          operations.packQueries(
              arena, some.geometry.positions(), some.convolution.groups(), queries);
      if (some.linear) {
        operations.pairScores(input, gradient, bias, packed, scores);
      } else {
        operations.pairScores(some.convolution, input, gradient, bias, packed, scores);
      }
    }
  }

  /** A layer of one position, in half the cases, or of several. */
  private static LayerCase some(
      Arena arena, SplittableRandom random, long samples, KernelTest.Values values) {
    return random.nextBoolean()
        ? LayerCase.onePosition(arena, random, samples, values)
        : LayerCase.random(arena, random, samples, values);
  }

  /** With many zeros, in half the cases. */
  private static KernelTest.Values values(long seed, SplittableRandom random) {
    KernelTest.Values normal = KernelTest.normal(seed);
    return random.nextBoolean() ? normal : () -> random.nextInt(3) == 0 ? normal.next() : 0;
  }

  private static Tensor queries(
      Arena arena, LayerCase some, boolean bias, int count, KernelTest.Values values) {
    long size = some.geometry.outputs() * some.geometry.features(bias);
    return KernelTest.guarded(arena, count * size, values)
        .tensor()
        .reshape(Shape.of(count, some.geometry.outputs(), some.geometry.features(bias)));
  }

  @Property(tries = 150)
  void agreesWithBruteForce(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(random.nextInt(1, 4)).open()) {
      int samples = random.nextInt(1, 8);
      KernelTest.Values values = values(seed, random);
      LayerCase some = some(arena, random, samples, values);
      int count = random.nextBoolean() ? 1 : random.nextInt(2, 15);
      boolean bias = random.nextBoolean();
      Tensor queries = queries(arena, some, bias, count, values);
      KernelTest.Guarded scores = KernelTest.guarded(arena, (long) count * samples, () -> 7);
      run(
          backend,
          some,
          0,
          samples,
          bias,
          queries,
          scores.tensor().reshape(Shape.of(count, samples)));
      SquareGradients.Reference reference =
          PairScores.reference(some.gradients(bias), queries, count, samples);
      if (DoubleStream.of(reference.magnitude()).allMatch(term -> term == 0)) {
        for (long i = 0; i < scores.tensor().elements(); i++) {
          assertEquals(0, scores.tensor().get(i));
        }
      } else {
        KernelTest.assertWithin(
            reference.sum(),
            reference.magnitude(),
            PairScores.steps(some.geometry.positions()),
            scores.tensor());
      }
      scores.assertUntouched();
      some.assertUntouched();
    }
  }

  @Property(tries = 30)
  void bitsDependNeitherOnThreadsNorOnTheBatch(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int samples = 100;
    int count = random.nextInt(1, 9);
    boolean bias = random.nextBoolean();
    try (Arena arena = Arena.ofConfined();
        Backend one = Device.cpu(1).open();
        Backend three = Device.cpu(3).open()) {
      KernelTest.Values values = values(seed, random);
      LayerCase some = some(arena, random, samples, values);
      Tensor queries = queries(arena, some, bias, count, values);
      Tensor whole = Tensor.zeros(arena, count, samples);
      run(one, some, 0, samples, bias, queries, whole);
      int cut = random.nextInt(1, samples);
      for (int[] part : new int[][] {{0, cut}, {cut, samples}}) {
        Tensor scores = Tensor.zeros(arena, count, part[1] - part[0]);
        run(three, some, part[0], part[1], bias, queries, scores);
        for (int q = 0; q < count; q++) {
          for (int n = part[0]; n < part[1]; n++) {
            assertEquals(
                whole.get((long) q * samples + n),
                scores.get((long) q * (part[1] - part[0]) + n - part[0]));
          }
        }
      }
    }
  }

  @Property(tries = 30)
  void bitsDoNotDependOnHowManyQueriesMeet(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      KernelTest.Values values = values(seed, random);
      int samples = random.nextInt(1, 20);
      LayerCase some = some(arena, random, samples, values);
      int count = random.nextInt(2, 60);
      Tensor queries = queries(arena, some, false, count, values);
      Tensor whole = Tensor.zeros(arena, count, samples);
      run(backend, some, 0, samples, false, queries, whole);
      int first = random.nextInt(count);
      int part = random.nextInt(1, count - first + 1);
      long size = queries.elements() / count;
      Shape shape = Shape.of(part, queries.shape().size(1), queries.shape().size(2));
      Tensor scores = Tensor.zeros(arena, part, samples);
      run(backend, some, 0, samples, false, queries.slice(first * size, shape), scores);
      for (int i = 0; i < part * samples; i++) {
        assertEquals(whole.get((long) first * samples + i), scores.get(i));
      }
    }
  }

  @Test
  void tileEdgesAreExactOnSmallIntegers() {
    int[] edges = {1, 3, 4, 5, 7, 8, 9, 16, 17, 24, 25, 47, 48, 49, 97};
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      for (int inputs : edges) {
        for (int outputs : edges) {
          KernelTest.Values values = KernelTest.integers(inputs, 2);
          boolean bias = outputs % 2 == 0;
          LayerCase some = LayerCase.linear(arena, 5, 1 + outputs % 3, inputs, outputs, values);
          Tensor queries = queries(arena, some, bias, 7, values);
          Tensor scores = Tensor.zeros(arena, 7, 5);
          run(backend, some, 0, 5, bias, queries, scores);
          SquareGradients.Reference reference =
              PairScores.reference(some.gradients(bias), queries, 7, 5);
          KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, scores);
        }
      }
    }
  }

  /** A run holds what fits its cache: the tiles of many samples, or the positions of a few. */
  @Test
  void severalRunsAreExactOnSmallIntegers() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      for (int[] sizes : new int[][] {{150, 100, 6}, {11, 400, 450}, {11, 3000, 20}}) {
        KernelTest.Values values = KernelTest.integers(sizes[0], 1);
        LayerCase some = LayerCase.linear(arena, sizes[0], sizes[1], 10, sizes[2], values);
        Tensor queries = queries(arena, some, true, 8, values);
        Tensor scores = Tensor.zeros(arena, 8, sizes[0]);
        run(backend, some, 0, sizes[0], true, queries, scores);
        SquareGradients.Reference reference =
            PairScores.reference(some.gradients(true), queries, 8, sizes[0]);
        KernelTest.assertWithin(reference.sum(), reference.magnitude(), 0, scores);
      }
    }
  }

  @Property(tries = 60)
  void factoredFormAgrees(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      int samples = random.nextInt(1, 6);
      int positions = random.nextInt(1, 6);
      int count = random.nextInt(1, 6);
      int rank = random.nextInt(1, 70);
      Shape shape = Shape.of(samples, positions, count, rank);
      KernelTest.Values values = KernelTest.normal(seed);
      Tensor left = KernelTest.guarded(arena, shape.elements(), values).tensor().reshape(shape);
      Tensor right = KernelTest.guarded(arena, shape.elements(), values).tensor().reshape(shape);
      double[] sum = new double[count * samples];
      double[] magnitude = new double[count * samples];
      for (long i = 0; i < shape.elements(); i++) {
        int q = (int) (i / rank % count);
        int n = (int) (i / rank / count / positions);
        double term = (double) left.get(i) * right.get(i);
        sum[q * samples + n] += term;
        magnitude[q * samples + n] += Math.abs(term);
      }
      Tensor scores = Tensor.zeros(arena, count, samples);
      backend.perSample().pairScoresFactored(left, right, scores);
      KernelTest.assertWithin(sum, magnitude, rank + 8, scores);
    }
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      PerSample operations = backend.perSample();
      Tensor input = Tensor.zeros(arena, 2, 3);
      Tensor gradient = Tensor.zeros(arena, 2, 4);
      PackedQueries queries = operations.packQueries(arena, 1, 1, Tensor.zeros(arena, 5, 4, 3));
      PackedQueries wide = operations.packQueries(arena, 1, 1, Tensor.zeros(arena, 5, 4, 4));
      PackedQueries grouped = operations.packQueries(arena, 1, 2, Tensor.zeros(arena, 5, 4, 3));
      PackedQueries several = operations.packQueries(arena, 7, 1, Tensor.zeros(arena, 5, 4, 3));
      Tensor scores = Tensor.zeros(arena, 5, 2);
      Tensor overlapping = queries.values().slice(0, scores.shape());
      List<Runnable> wrong =
          List.of(
              () -> operations.packQueries(arena, 1, 1, input),
              () -> operations.packQueries(arena, 1, 3, Tensor.zeros(arena, 5, 4, 3)),
              () ->
                  operations.pairScores(input, gradient, false, queries, Tensor.zeros(arena, 2, 5)),
              () -> operations.pairScores(input, gradient, false, several, scores),
              () -> operations.pairScores(input, gradient, false, wide, scores),
              () -> operations.pairScores(input, gradient, false, grouped, scores),
              () -> operations.pairScores(input, gradient, false, queries, overlapping),
              () -> operations.pairScoresFactored(input, input, Tensor.zeros(arena, 5, 2)));
      for (Runnable call : wrong) {
        assertThrows(IllegalArgumentException.class, call::run);
      }
    }
  }
}
