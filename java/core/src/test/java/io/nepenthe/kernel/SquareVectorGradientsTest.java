package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SquareVectorGradientsTest {
  private static final long SAMPLES = 70;

  // More positions than are read at once of six lines of columns, and no line split evenly.
  private static final int POSITIONS = 100;
  private static final int COLUMNS = 84;

  private static Tensor values(Arena arena, Shape shape, KernelTest.Values values) {
    Tensor tensor = KernelTest.guarded(arena, shape.elements(), values).tensor().reshape(shape);
    return tensor;
  }

  private static Tensor value(Arena arena, DriftFreeSum state) {
    Tensor out = Tensor.zeros(arena, state.shape());
    state.value(out);
    return out;
  }

  @Property(tries = 200)
  void biasAndScaleAgreeWithPlainJava(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    boolean exact = random.nextBoolean();
    // Now and then more channels than are walked together, or more positions than are read at once.
    int kind = random.nextInt(20);
    long channels = random.nextInt(1, kind == 0 ? 600 : 70);
    long positions = random.nextInt(1, kind == 1 ? 600 : 10);
    Shape shape = Shape.of(SAMPLES, positions, channels);
    KernelTest.Values source = exact ? KernelTest.integers(seed, 2) : KernelTest.normal(seed);
    double steps = exact ? 0 : SquareGradients.steps(positions, SquareGradients.Strategy.PRODUCTS);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(random.nextInt(1, 4)).open()) {
      Tensor gradient = values(arena, shape, source);
      Tensor normalised = values(arena, shape, source);
      Tensor ones = values(arena, shape, () -> 1);
      KernelTest.Guarded sum = KernelTest.guarded(arena, channels, () -> 0);
      KernelTest.Guarded rest = KernelTest.guarded(arena, channels, () -> 0);
      DriftFreeSum bias = DriftFreeSum.of(sum.tensor(), rest.tensor());
      backend.squareBiasGradients(gradient, bias);
      check(arena, SquareVectorGradients.reference(ones, gradient, channels), steps, bias);
      DriftFreeSum scale = DriftFreeSum.zeros(arena, Shape.of(channels));
      backend.squareScaleGradients(normalised, gradient, scale);
      check(arena, SquareVectorGradients.reference(normalised, gradient, channels), steps, scale);
      sum.assertUntouched();
      rest.assertUntouched();
    }
  }

  @Property(tries = 100)
  void embeddingAgreesWithPlainJava(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    long positions = random.nextInt(1, 20);
    long rows = random.nextInt(1, 8);
    long columns = random.nextInt(1, 40);
    Shape shape = Shape.of(SAMPLES, positions, columns);
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(random.nextInt(1, 4)).open()) {
      Tensor gradient = values(arena, shape, KernelTest.integers(seed, 2));
      MemorySegment tokens = arena.allocate(ValueLayout.JAVA_INT, SAMPLES * positions);
      for (long i = 0; i < SAMPLES * positions; i++) {
        tokens.setAtIndex(ValueLayout.JAVA_INT, i, random.nextInt((int) rows + 1) - 1);
      }
      // One token at least is no padding, or the reference would be empty.
      tokens.setAtIndex(ValueLayout.JAVA_INT, 0, 0);
      gradient.set(0, 1);
      DriftFreeSum table = DriftFreeSum.zeros(arena, Shape.of(rows, columns));
      backend.squareEmbeddingGradients(tokens, gradient, table);
      check(arena, SquareVectorGradients.referenceEmbedding(tokens, gradient, rows), 0, table);
    }
  }

  private static void check(
      Arena arena, SquareGradients.Reference reference, double steps, DriftFreeSum state) {
    KernelTest.assertWithin(reference.sum(), reference.magnitude(), steps, value(arena, state));
  }

  @Test
  void bitsDependNeitherOnThreadsNorOnSplitting() {
    Shape shape = Shape.of(SAMPLES, POSITIONS, COLUMNS);
    try (Arena arena = Arena.ofConfined();
        Backend one = Device.cpu(1).open();
        Backend three = Device.cpu(3).open()) {
      Tensor gradient = values(arena, shape, KernelTest.normal(1));
      Tensor normalised = values(arena, shape, KernelTest.normal(2));
      MemorySegment tokens = arena.allocate(ValueLayout.JAVA_INT, SAMPLES * POSITIONS);
      for (long i = 0; i < SAMPLES * POSITIONS; i++) {
        tokens.setAtIndex(ValueLayout.JAVA_INT, i, (int) (i * i % 5));
      }
      same(
          arena,
          Shape.of(COLUMNS),
          one,
          three,
          gradient,
          (b, r) -> b.squareBiasGradients(r.gradient, r.state));
      same(
          arena,
          Shape.of(COLUMNS),
          one,
          three,
          gradient,
          (b, r) ->
              b.squareScaleGradients(
                  normalised.slice(r.from * POSITIONS * COLUMNS, r.gradient.shape()),
                  r.gradient,
                  r.state));
      same(
          arena,
          Shape.of(5, COLUMNS),
          one,
          three,
          gradient,
          (b, r) ->
              b.squareEmbeddingGradients(
                  tokens.asSlice(
                      r.from * POSITIONS * Integer.BYTES,
                      r.gradient.shape().size(0) * POSITIONS * Integer.BYTES),
                  r.gradient,
                  r.state));
    }
  }

  private record Range(long from, Tensor gradient, DriftFreeSum state) {}

  private static void same(
      Arena arena,
      Shape parameter,
      Backend one,
      Backend three,
      Tensor gradient,
      BiConsumer<Backend, Range> add) {
    DriftFreeSum whole = DriftFreeSum.zeros(arena, parameter);
    add.accept(one, new Range(0, gradient, whole));
    DriftFreeSum parts = DriftFreeSum.zeros(arena, parameter);
    add.accept(three, new Range(0, gradient.slice(0, Shape.of(23, POSITIONS, COLUMNS)), parts));
    add.accept(
        three,
        new Range(
            23,
            gradient.slice(23L * POSITIONS * COLUMNS, Shape.of(SAMPLES - 23, POSITIONS, COLUMNS)),
            parts));
    KernelTest.assertBitwise(whole.sum(), parts.sum());
    KernelTest.assertBitwise(whole.rest(), parts.rest());
  }

  @Test
  void refusesMisuse() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Tensor gradient = Tensor.zeros(arena, 2, 3, 4);
      DriftFreeSum bias = DriftFreeSum.zeros(arena, Shape.of(4));
      DriftFreeSum table = DriftFreeSum.zeros(arena, Shape.of(5, 4));
      MemorySegment tokens = arena.allocate(ValueLayout.JAVA_INT, 6);
      MemorySegment outside = arena.allocate(ValueLayout.JAVA_INT, 6);
      outside.setAtIndex(ValueLayout.JAVA_INT, 5, 5);
      List<Runnable> wrong =
          List.of(
              () -> backend.squareBiasGradients(Tensor.zeros(arena, 4), bias),
              () -> backend.squareBiasGradients(Tensor.zeros(arena, 2, 5), bias),
              () -> backend.squareBiasGradients(bias.sum().reshape(Shape.of(1, 4)), bias),
              () -> backend.squareScaleGradients(Tensor.zeros(arena, 2, 4), gradient, bias),
              () -> backend.squareEmbeddingGradients(outside, gradient, table),
              () -> backend.squareEmbeddingGradients(tokens.asSlice(4), gradient, table),
              () ->
                  backend.squareEmbeddingGradients(
                      MemorySegment.ofArray(new int[6]), gradient, table),
              () -> backend.squareEmbeddingGradients(tokens, gradient, bias),
              () ->
                  backend.squareEmbeddingGradients(
                      table.sum().segment().asSlice(0, 24), gradient, table));
      for (Runnable call : wrong) {
        assertThrows(IllegalArgumentException.class, call::run);
      }
    }
  }
}
