package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.jupiter.api.Test;

/**
 * Normalisation, addition and ReLU in one pass have the bits of the three, one after the other, and
 * so have their gradients; both agree with float64.
 */
class BatchNormReluTest {
  private static final Tensor NONE = Tensor.zeros(Arena.global(), 0);
  private static final float EPSILON = 1e-3f;

  /** Samples and positions: chains of positions whole and begun, blocks of them, two threads. */
  private static final int[][] SIZES = {{1, 1}, {2, 3}, {3, 4}, {2, 5}, {3, 49}, {2, 300}};

  /** The values of one case; the plain passes' results beside those of the joined ones. */
  private static final class Case {
    final Arena arena;
    final Shape shape;
    final FrozenNormalisation norm;
    final Tensor x;
    final Tensor residual;
    final Tensor dy;
    final Tensor normalised;
    final Tensor y;
    final Tensor g;
    final Tensor dx;

    Case(Arena arena, int samples, int positions, int channels, boolean adds) {
      this(arena, samples, positions, channels, adds, 7L * channels + positions);
    }

    Case(Arena arena, int samples, int positions, int channels, boolean adds, long seed) {
      this.arena = arena;
      this.shape = Shape.of(samples, positions, channels);
      KernelTest.Values values = KernelTest.normal(seed);
      this.norm =
          new FrozenNormalisation(
              fill(Shape.of(channels), values),
              fill(Shape.of(channels), () -> Math.abs(values.next())),
              fill(Shape.of(channels), values),
              fill(Shape.of(channels), values),
              EPSILON);
      this.x = fill(shape, values);
      this.residual = adds ? fill(shape, values) : NONE;
      this.dy = fill(shape, values);
      this.normalised = Tensor.zeros(arena, shape);
      this.y = Tensor.zeros(arena, shape);
      this.g = Tensor.zeros(arena, shape);
      this.dx = Tensor.zeros(arena, shape);
    }

    Tensor fill(Shape of, KernelTest.Values values) {
      return KernelTest.guarded(arena, of.elements(), values).tensor().reshape(of);
    }

    /** One operation after the other. */
    void apart(Dense dense) {
      dense.batchNorm(
          x, norm.mean(), norm.variance(), norm.scale(), norm.shift(), EPSILON, normalised, y);
      if (residual.elements() > 0) {
        dense.add(y, residual, y);
      }
      dense.relu(y, y);
      dense.reluGradient(y, dy, g);
      propagate(dense);
    }

    /** What g is of the input. */
    void propagate(Dense dense) {
      Tensor unused = Tensor.zeros(arena, norm.mean().shape());
      dense.batchNormGradient(
          normalised,
          g,
          norm.variance(),
          norm.scale(),
          EPSILON,
          unused,
          Tensor.zeros(arena, unused.shape()),
          true,
          dx);
    }

    Tensor sums() {
      return Tensor.zeros(arena, shape.size(0), shape.size(2));
    }

    /** With NaN in what is normalised, added and propagated. */
    void breakSome() {
      for (long i = 0; i < x.elements(); i += 5) {
        x.set(i, Float.NaN);
        dy.set(x.elements() - 1 - i, Float.NaN);
        if (residual.elements() > 0) {
          residual.set(i / 2, Float.NaN);
        }
      }
    }
  }

  /**
   * A pair has the bits of a normalisation whose residual another has made: the cases' inputs, the
   * second's normalised on its own.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 65, 256, 257, 300})
  void aPairHasTheBitsOfTheOperationsOneAfterTheOther(int channels) {
    for (int[] size : SIZES) {
      for (int threads = 1; threads <= 2; threads++) {
        try (Arena arena = Arena.ofConfined();
            Backend backend = Device.cpu(threads).open()) {
          Case first = new Case(arena, size[0], size[1], channels, true);
          Case second = new Case(arena, size[0], size[1], channels, false, 1);
          checkPair(backend, first, second);
        }
      }
    }
  }

  private static void checkPair(Backend backend, Case c, Case second) {
    Dense dense = backend.dense();
    FrozenNormalisation of = second.norm;
    dense.batchNorm(
        second.x,
        of.mean(),
        of.variance(),
        of.scale(),
        of.shift(),
        EPSILON,
        second.normalised,
        c.residual);
    c.apart(dense);
    second.g.copyFrom(c.g);
    second.propagate(dense);
    var y = KernelTest.guarded(c.arena, c.shape.elements(), () -> Float.NaN);
    Tensor output = y.tensor().reshape(c.shape);
    dense.batchNormReluPair(c.norm, c.x, of, second.x, output);
    KernelTest.assertBitwise(c.y, output);
    Tensor[] over = {KernelTest.copy(c.arena, c.x), KernelTest.copy(c.arena, second.x)};
    dense.batchNormReluPair(c.norm, over[0], of, second.x, over[0]);
    dense.batchNormReluPair(c.norm, c.x, of, over[1], over[1]);
    KernelTest.assertBitwise(c.y, over[0]);
    KernelTest.assertBitwise(c.y, over[1]);
    y.assertUntouched();
    // Both apart, the first over dy, the second over dy.
    for (int place = 0; place < 3; place++) {
      Tensor dy = KernelTest.copy(c.arena, c.dy);
      var dx = KernelTest.guarded(c.arena, c.shape.elements(), () -> Float.NaN);
      var other = KernelTest.guarded(c.arena, c.shape.elements(), () -> Float.NaN);
      Tensor to = place == 1 ? dy : dx.tensor().reshape(c.shape);
      Tensor toOther = place == 2 ? dy : other.tensor().reshape(c.shape);
      Tensor[] sums = {c.sums(), c.sums(), c.sums()};
      dense.batchNormReluPairGradient(
          new NormalisedInput(c.norm, c.x, to, sums[0]),
          new NormalisedInput(of, second.x, toOther, sums[1]),
          c.y,
          dy,
          sums[2]);
      KernelTest.assertBitwise(c.dx, to);
      KernelTest.assertBitwise(second.dx, toOther);
      assertSameSquares(backend, c, sums[0], sums[2]);
      assertSameSquares(backend, second, sums[1], sums[2]);
      dx.assertUntouched();
      other.assertUntouched();
    }
  }

  private static DriftFreeSum sum(Case c) {
    Shape of = c.norm.mean().shape();
    return DriftFreeSum.of(Tensor.zeros(c.arena, of), Tensor.zeros(c.arena, of));
  }

  private static void assertSameSquares(Backend backend, Case c, Tensor byScale, Tensor byShift) {
    DriftFreeSum scale = sum(c);
    DriftFreeSum shift = sum(c);
    backend.squareScaleGradients(c.normalised, c.g, scale);
    backend.squareBiasGradients(c.g, shift);
    DriftFreeSum ofScale = sum(c);
    DriftFreeSum ofShift = sum(c);
    backend.squareBiasGradients(byScale, ofScale);
    backend.squareBiasGradients(byShift, ofShift);
    KernelTest.assertBitwise(scale.rest(), ofScale.rest());
    KernelTest.assertBitwise(shift.rest(), ofShift.rest());
    KernelTest.assertBitwise(scale.sum(), ofScale.sum());
    KernelTest.assertBitwise(shift.sum(), ofShift.sum());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 65, 256, 257, 300})
  void itHasTheBitsOfTheOperationsOneAfterTheOther(int channels) {
    for (int[] size : SIZES) {
      for (boolean adds : new boolean[] {false, true}) {
        for (int threads = 1; threads <= 2; threads++) {
          try (Arena arena = Arena.ofConfined();
              Backend backend = Device.cpu(threads).open()) {
            check(backend, new Case(arena, size[0], size[1], channels, adds), adds);
          }
        }
      }
    }
  }

  private static void check(Backend backend, Case c, boolean adds) {
    Dense dense = backend.dense();
    c.apart(dense);
    var y = KernelTest.guarded(c.arena, c.shape.elements(), () -> Float.NaN);
    var dx = KernelTest.guarded(c.arena, c.shape.elements(), () -> Float.NaN);
    var g = KernelTest.guarded(c.arena, c.shape.elements(), () -> Float.NaN);
    Tensor output = y.tensor().reshape(c.shape);
    dense.batchNormRelu(c.norm, c.x, c.residual, output);
    KernelTest.assertBitwise(c.y, output);
    Tensor byScale = c.sums();
    Tensor byShift = c.sums();
    Tensor given = dx.tensor().reshape(c.shape);
    Tensor handedOn = g.tensor().reshape(c.shape);
    dense.batchNormReluGradient(
        c.norm, c.x, adds ? output : NONE, c.dy, given, adds ? handedOn : NONE, byScale, byShift);
    KernelTest.assertBitwise(c.dx, given);
    assertSameSquares(backend, c, byScale, byShift);
    if (adds) {
      KernelTest.assertBitwise(c.g, handedOn);
    }
    y.assertUntouched();
    dx.assertUntouched();
    g.assertUntouched();
    inPlace(dense, c, adds, byScale, byShift);
  }

  /** The output over the input and over the residual, the gradients over dy. */
  private static void inPlace(Dense dense, Case c, boolean adds, Tensor byScale, Tensor byShift) {
    Tensor over = KernelTest.copy(c.arena, c.x);
    dense.batchNormRelu(c.norm, over, c.residual, over);
    KernelTest.assertBitwise(c.y, over);
    Tensor again = c.sums();
    Tensor dy = KernelTest.copy(c.arena, c.dy);
    Tensor sink = KernelTest.copy(c.arena, c.dy);
    Tensor y = adds ? c.y : NONE;
    dense.batchNormReluGradient(c.norm, c.x, y, dy, dy, NONE, again, byShift);
    KernelTest.assertBitwise(c.dx, dy);
    KernelTest.assertBitwise(byScale, again);
    if (adds) {
      over = KernelTest.copy(c.arena, c.residual);
      dense.batchNormRelu(c.norm, c.x, over, over);
      KernelTest.assertBitwise(c.y, over);
      dy = KernelTest.copy(c.arena, c.dy);
      dense.batchNormReluGradient(c.norm, c.x, c.y, dy, sink, dy, again, byShift);
      KernelTest.assertBitwise(c.dx, sink);
      KernelTest.assertBitwise(c.g, dy);
    }
  }

  @Test
  void itAgreesWithFloat64() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      Case c = new Case(arena, 3, 37, 19, true);
      Tensor y = Tensor.zeros(arena, c.shape);
      backend.dense().batchNormRelu(c.norm, c.x, c.residual, y);
      Tensor dx = Tensor.zeros(arena, c.shape);
      Tensor g = Tensor.zeros(arena, c.shape);
      Tensor byScale = c.sums();
      Tensor byShift = c.sums();
      backend.dense().batchNormReluGradient(c.norm, c.x, y, c.dy, dx, g, byScale, byShift);
      Wide wide = new Wide(c, y);
      KernelTest.assertWithin(wide.y, wide.ofY, 6, y);
      KernelTest.assertWithin(wide.dx, wide.ofDx, 6, dx);
      KernelTest.assertWithin(wide.byScale, wide.ofScale, 37 + 4, byScale);
      KernelTest.assertWithin(wide.byShift, wide.ofShift, 37, byShift);
    }
  }

  /** In float64, with magnitudes; an output that rounding may put on either side of 0 is told. */
  private static final class Wide {
    final double[] y;
    final double[] ofY;
    final double[] dx;
    final double[] ofDx;
    final double[] byScale;
    final double[] ofScale;
    final double[] byShift;
    final double[] ofShift;

    Wide(Case c, Tensor output) {
      int n = (int) c.shape.elements();
      int channels = (int) c.shape.size(2);
      int each = (int) c.shape.size(1) * channels;
      y = new double[n];
      ofY = new double[n];
      dx = new double[n];
      ofDx = new double[n];
      byScale = new double[(int) c.shape.size(0) * channels];
      ofScale = new double[byScale.length];
      byShift = new double[byScale.length];
      ofShift = new double[byScale.length];
      for (int i = 0; i < n; i++) {
        int k = i % channels;
        double inverse = 1 / Math.sqrt((double) c.norm.variance().get(k) + EPSILON);
        double factor = c.norm.scale().get(k) * inverse;
        double normalised = (c.x.get(i) - (double) c.norm.mean().get(k)) * inverse;
        double most = (Math.abs(c.x.get(i)) + Math.abs(c.norm.mean().get(k))) * inverse;
        double z = normalised * c.norm.scale().get(k) + c.norm.shift().get(k) + c.residual.get(i);
        y[i] = Math.max(0, z);
        ofY[i] =
            most * Math.abs(c.norm.scale().get(k))
                + Math.abs(c.norm.shift().get(k))
                + Math.abs(c.residual.get(i));
        double gradient = output.get(i) > 0 ? c.dy.get(i) : 0;
        dx[i] = gradient * factor;
        ofDx[i] = Math.abs(dx[i]);
        int sum = i / each * channels + k;
        byScale[sum] += gradient * normalised;
        ofScale[sum] += Math.abs(gradient) * most;
        byShift[sum] += gradient;
        ofShift[sum] += Math.abs(gradient);
      }
    }
  }

  /** The second input's values against float64; the first's are those of above. */
  @Test
  void aPairAgreesWithFloat64() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(2).open()) {
      Case c = new Case(arena, 3, 37, 19, false);
      Case second = new Case(arena, 3, 37, 19, true, 5);
      Tensor normal = Tensor.zeros(arena, c.shape);
      FrozenNormalisation of = c.norm;
      backend
          .dense()
          .batchNorm(c.x, of.mean(), of.variance(), of.scale(), of.shift(), EPSILON, NONE, normal);
      second.residual.copyFrom(normal);
      Tensor y = Tensor.zeros(arena, c.shape);
      backend.dense().batchNormReluPair(c.norm, c.x, second.norm, second.x, y);
      Tensor[] sums = {c.sums(), c.sums(), c.sums()};
      backend
          .dense()
          .batchNormReluPairGradient(
              new NormalisedInput(c.norm, c.x, c.dx, sums[0]),
              new NormalisedInput(second.norm, second.x, second.dx, sums[1]),
              y,
              second.dy,
              sums[2]);
      Wide wide = new Wide(second, y);
      KernelTest.assertWithin(wide.y, wide.ofY, 6, y);
      KernelTest.assertWithin(wide.dx, wide.ofDx, 6, second.dx);
      KernelTest.assertWithin(wide.byScale, wide.ofScale, 37 + 4, sums[1]);
      KernelTest.assertWithin(wide.byShift, wide.ofShift, 37, sums[2]);
    }
  }

  @Test
  void whatIsNotANumberPassesThrough() {
    for (int channels : new int[] {3, 37}) {
      for (boolean adds : new boolean[] {false, true}) {
        try (Arena arena = Arena.ofConfined();
            Backend backend = Device.cpu(1).open()) {
          Case c = new Case(arena, 2, 9, channels, adds);
          c.breakSome();
          c.apart(backend.dense());
          Tensor y = Tensor.zeros(arena, c.shape);
          Tensor dx = Tensor.zeros(arena, c.shape);
          Tensor byScale = c.sums();
          Tensor byShift = c.sums();
          Dense dense = backend.dense();
          dense.batchNormRelu(c.norm, c.x, c.residual, y);
          Tensor output = adds ? y : NONE;
          dense.batchNormReluGradient(c.norm, c.x, output, c.dy, dx, NONE, byScale, byShift);
          assertArrayEquals(c.y.toArray(), y.toArray());
          assertArrayEquals(c.dx.toArray(), dx.toArray());
          assertTrue(Float.isNaN(y.get(0)) && Float.isNaN(byScale.get(0)));
          assertTrue(Float.isNaN(byShift.get(byShift.elements() - 1)));
        }
      }
    }
  }

  @Test
  void wrongArgumentsAreRefused() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Case c = new Case(arena, 2, 3, 4, true);
      Dense dense = backend.dense();
      Tensor sums = c.sums();
      Tensor others = c.sums();
      Tensor flat = c.x.reshape(Shape.of(6, 4));
      refused(() -> dense.batchNormRelu(c.norm, c.x, flat, c.y), "y must have shape");
      refused(() -> dense.batchNormRelu(c.norm, c.x, c.residual, sums), "y must have shape");
      refused(
          () -> dense.batchNormReluGradient(c.norm, c.x, NONE, c.dy, c.dx, c.g, sums, others),
          "a residual's gradient needs the output");
      refused(
          () -> dense.batchNormReluGradient(c.norm, c.x, c.y, c.dy, c.dx, c.dx, sums, others),
          "residualGradient overlaps dx");
      refused(
          () -> dense.batchNormReluGradient(c.norm, c.x, c.y, c.dy, c.dx, c.g, sums, sums),
          "scaleGradients overlaps shiftGradients");
      refused(
          () -> dense.batchNormReluGradient(c.norm, c.x, c.y, c.dy, c.x, NONE, sums, others),
          "dx overlaps the saved activation");
      Case second = new Case(arena, 2, 3, 4, false, 1);
      refused(
          () -> dense.batchNormReluPair(c.norm, c.x, second.norm, flat, c.y), "y must have shape");
      refused(
          () -> dense.batchNormReluPair(c.norm, c.x, second.norm, NONE, c.y),
          "residual must have shape");
      NormalisedInput input = new NormalisedInput(c.norm, c.x, c.dx, sums);
      Tensor shifts = c.sums();
      refused(
          () -> dense.batchNormReluPairGradient(input, input, c.y, c.dy, shifts),
          "dx overlaps the other's gradient");
      NormalisedInput other = new NormalisedInput(second.norm, second.x, second.dx, others);
      refused(
          () -> dense.batchNormReluPairGradient(input, other, c.y, c.dy, others),
          "scaleGradients overlaps shiftGradients");
      refused(
          () ->
              dense.batchNormReluPairGradient(
                  input,
                  new NormalisedInput(second.norm, second.x, c.x, others),
                  c.y,
                  c.dy,
                  shifts),
          "dx overlaps the other input");
    }
  }

  private static void refused(Runnable call, String message) {
    String said = assertThrows(IllegalArgumentException.class, call::run).getMessage();
    assertEquals(message, said.substring(0, Math.min(message.length(), said.length())));
  }
}
