package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** What the emulator cannot show: a real device's memory, libraries, sizes and clock. */
@RequireGpu
class CudaDeviceTest {
  private static CudaBackend open(Precision precision) {
    return (CudaBackend) Device.cuda(0, precision).open();
  }

  @Test
  void itSaysWhatItIs() {
    try (CudaBackend cuda = open(Precision.TF32)) {
      System.out.println(cuda.describe());
      assertTrue(cuda.describe().contains("precision=TF32"), cuda.describe());
      assertTrue(cuda.context().driver().multiprocessors() > 0);
    }
  }

  @Test
  void moreMemoryThanThereIsIsAnErrorAndNothingIsLost() {
    try (CudaBackend cuda = open(Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      long floats = cuda.context().driver().memory().total() / Float.BYTES + 1;
      CudaException full =
          assertThrows(CudaException.class, () -> cuda.zeros(arena, Shape.of(floats)));
      assertTrue(full.getMessage().contains("is out of memory: a tensor of"), full.getMessage());
      Tensor small = cuda.zeros(arena, Shape.of(100));
      cuda.dense().relu(small, small);
      cuda.context().driver().synchronise();
    }
  }

  /** Indices beyond 2³¹: eight gigabytes. */
  @Test
  void aTensorOfMoreThanTwoBillionValues() {
    long n = (1L << 31) + 5;
    try (CudaBackend cuda = open(Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      Assumptions.assumeTrue(
          cuda.context().memory().freeBytes() > n * Float.BYTES + (1L << 30), "too little memory");
      Tensor all = cuda.zeros(arena, Shape.of(n));
      Tensor end = Tensor.zeros(arena, 5);
      for (int i = 0; i < 5; i++) {
        end.set(i, i - 2);
      }
      Tensor last = all.slice(1L << 31, end.shape());
      last.copyFrom(end);
      cuda.dense().relu(all, all);
      end.copyFrom(last);
      for (int i = 0; i < 5; i++) {
        assertEquals(Math.max(0, i - 2), end.get(i), "value " + i);
      }
    }
  }

  @Test
  void productsByTheLibraryAgreeWithOurs() {
    for (Precision precision : Precision.values()) {
      try (CudaBackend cuda = open(precision)) {
        CudaGemm library = cuda.dense().gemm();
        Assumptions.assumeFalse(library instanceof CudaGemm.Own, library.name());
        CudaGemm own = new CudaGemm.Own(cuda.context(), precision, "for comparison");
        SplittableRandom random = new SplittableRandom(3);
        for (int kind = 0; kind < 4; kind++) {
          compare(cuda, library, own, precision, random, kind);
        }
      }
    }
  }

  /** Bits of the kind: A transposed, B transposed. Values are of one sign, so sums bound terms. */
  private static void compare(
      CudaBackend cuda,
      CudaGemm library,
      CudaGemm own,
      Precision precision,
      SplittableRandom random,
      int kind) {
    int m = 200 + random.nextInt(100);
    int n = 200 + random.nextInt(100);
    int k = 1000 + random.nextInt(100);
    boolean left = (kind & 1) != 0;
    boolean right = (kind & 2) != 0;
    try (Arena arena = Arena.ofConfined()) {
      Tensor a = positive(arena, random, left ? k : m, left ? m : k);
      Tensor b = positive(arena, random, right ? n : k, right ? k : n);
      Tensor[] results = new Tensor[2];
      for (int by = 0; by < 2; by++) {
        results[by] = Tensor.zeros(arena, m, n);
        try (var op = cuda.context().begin("product", kind, 0, 0)) {
          (by == 0 ? library : own)
              .multiply(
                  op,
                  new CudaGemm.Matrix(op.read(a), a.shape().size(1)),
                  left,
                  new CudaGemm.Matrix(op.read(b), b.shape().size(1)),
                  right,
                  new CudaGemm.Matrix(op.write(results[by]), n),
                  m,
                  n,
                  k,
                  0);
          op.finish();
        }
      }
      // Each factor rounded twice over, each sum in float32.
      double bound = 4 * precision.unitRoundoff() + 2 * k * 0x1p-24;
      for (long i = 0; i < results[0].elements(); i++) {
        double want = results[1].get(i);
        assertEquals(want, results[0].get(i), bound * want, precision + " " + kind + " at " + i);
      }
    }
  }

  /** A ResNet's kinds: where the library is there, it makes each of them. */
  @Test
  void convolutionsByTheLibraryAgreeWithOurs() {
    Window three = Window.square(3).withPadding(1);
    List<Affine.Convolution> kinds =
        List.of(
            new Affine.Convolution(8, 16, 16, 64, 64, three, 1, false),
            new Affine.Convolution(2, 16, 16, 3, 64, three, 1, false),
            new Affine.Convolution(2, 16, 16, 64, 128, three.withStride(2), 1, false),
            new Affine.Convolution(2, 16, 16, 64, 128, Window.square(1).withStride(2), 1, false));
    for (Precision precision : List.of(Precision.FP32, Precision.TF32)) {
      try (CudaBackend cuda = open(precision)) {
        Assumptions.assumeTrue(
            cuda.dense().convolutions().startsWith("cuDNN"), cuda.dense().convolutions());
        for (Affine.Convolution sizes : kinds) {
          compare(cuda, precision, sizes);
        }
      }
    }
  }

  private static void compare(CudaBackend cuda, Precision precision, Affine.Convolution sizes) {
    var none = new CudaDnn.Choice(Optional.empty(), "own");
    try (Arena arena = Arena.ofConfined();
        CudaDense own = new CudaDense(cuda.context(), precision, none);
        AffinePlan theirs = cuda.dense().plan(sizes);
        AffinePlan ours = own.plan(sizes)) {
      assertTrue(theirs.implementations().startsWith("cuDNN"), theirs.implementations());
      SplittableRandom random = new SplittableRandom(4);
      Tensor x = positive(arena, random, sizes.input());
      Tensor dy = positive(arena, random, sizes.output());
      Tensor weights = positive(arena, random, sizes.weights());
      Tensor bias = Tensor.zeros(arena, sizes.biases());
      double bound = 4 * precision.unitRoundoff() + 2 * 9 * 128 * 0x1p-24;
      Tensor want = Tensor.zeros(arena, sizes.output());
      Tensor got = Tensor.zeros(arena, sizes.output());
      ours.forward(x, weights, bias, want);
      theirs.forward(x, weights, bias, got);
      assertClose(want, got, bound);
      Tensor wantDx = Tensor.zeros(arena, sizes.input());
      Tensor gotDx = Tensor.zeros(arena, sizes.input());
      for (boolean accumulate : new boolean[] {false, true}) {
        ours.inputGradient(dy, weights, wantDx, accumulate);
        theirs.inputGradient(dy, weights, gotDx, accumulate);
        assertClose(wantDx, gotDx, bound);
      }
    }
  }

  @Test
  void eigenvaluesByTheLibraryAreLapacks() {
    int n = 300;
    SplittableRandom random = new SplittableRandom(6);
    double[] values = new double[n * n];
    for (int i = 0; i < n * n; i++) {
      values[i] = random.nextDouble(-1, 1); // its symmetric half is taken
    }
    try (CudaBackend cuda = open(Precision.FP32)) {
      SymmetricEigen want = SymmetricEigen.of(values, n);
      var matrix = new SymmetricEigen.Matrix(values, n);
      SymmetricEigen got = cuda.symmetricEigen(_ -> matrix, 1).getFirst();
      assertArrayEquals(want.values(), got.values(), 100 * n * 0x1p-52);
    }
  }

  private static void assertClose(Tensor want, Tensor got, double bound) {
    for (long i = 0; i < want.elements(); i++) {
      assertEquals(want.get(i), got.get(i), bound * want.get(i), "at " + i);
    }
  }

  private static Tensor positive(Arena arena, SplittableRandom random, long... sizes) {
    return positive(arena, random, Shape.of(sizes));
  }

  private static Tensor positive(Arena arena, SplittableRandom random, Shape shape) {
    Tensor tensor = Tensor.zeros(arena, shape);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, random.nextFloat() + 0.1f);
    }
    return tensor;
  }

  @Test
  void itsClockRunsWithTheHosts() {
    try (CudaBackend cuda = open(Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      Tensor values = cuda.zeros(arena, Shape.of(1 << 26));
      long begin = System.nanoTime();
      double seconds = cuda.context().driver().seconds(() -> cuda.dense().relu(values, values));
      double wall = (System.nanoTime() - begin) * 1e-9;
      assertTrue(seconds > 0 && seconds <= wall, seconds + " s of " + wall);
    }
  }
}
