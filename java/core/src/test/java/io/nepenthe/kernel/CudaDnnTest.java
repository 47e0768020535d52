package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Convolutions by cuDNN's C interface, with a library in its place that does on the host what the
 * manual says (cuda/emulator/cudnn.cpp), against our own by unfolded products: of small integers,
 * so that both are exact.
 */
class CudaDnnTest {
  private static final Path FOLDER = CudaTest.LIBRARIES;
  private static final Window THREE = Window.square(3).withPadding(1);

  @BeforeEach
  void onTheEmulator() {
    CudaTest.assumeLibrariesInPlace();
  }

  private static CudaLibrary library() {
    return CudaLibrary.find("libcudnn.so.9", FOLDER.toString()).orElseThrow();
  }

  private static int ask(String name) throws Throwable {
    return (int) library().function(name, NativeLibrary.INT).invokeExact();
  }

  private static Affine.Convolution sizes(Window window, int groups, boolean bias) {
    return new Affine.Convolution(3, 8, 7, 4, 6, window, groups, bias);
  }

  private static Tensor integers(Arena arena, SplittableRandom random, Shape shape) {
    Tensor tensor = Tensor.zeros(arena, shape);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, random.nextInt(-4, 5));
    }
    return tensor;
  }

  /** Where a tensor lies: on the host, or anywhere on the device. */
  private interface Place {
    Tensor of(Tensor host);
  }

  /** As a layer's weights may lie among a model's: cuDNN itself takes no such address. */
  private static Tensor misaligned(CudaBackend cuda, Arena arena, Tensor host) {
    Tensor all = cuda.zeros(arena, Shape.of(host.elements() + 1));
    Tensor part = all.slice(1, host.shape());
    part.copyFrom(host);
    return part;
  }

  private static Tensor host(Arena arena, Tensor tensor) {
    Tensor copy = Tensor.zeros(arena, tensor.shape());
    copy.copyFrom(tensor);
    return copy;
  }

  private static Tensor twice(Arena arena, Tensor tensor) {
    Tensor twice = Tensor.zeros(arena, tensor.shape());
    for (long i = 0; i < tensor.elements(); i++) {
      twice.set(i, 2 * tensor.get(i));
    }
    return twice;
  }

  /** Both passes by both; whether cuDNN made them. */
  private static boolean compare(Affine.Convolution sizes, Precision precision) {
    try (CudaBackend cuda = CudaTest.emulated(1, precision);
        Arena arena = Arena.ofConfined()) {
      CudaDnn dnn = new CudaDnn(library(), cuda.context(), precision);
      var choice = new CudaDnn.Choice(Optional.of(dnn), dnn.name());
      SplittableRandom random = new SplittableRandom(7);
      Tensor x = integers(arena, random, sizes.input());
      Tensor weights = integers(arena, random, sizes.weights());
      Tensor bias = integers(arena, random, sizes.biases());
      Tensor dy = integers(arena, random, sizes.output());
      try (CudaDense theirs = new CudaDense(cuda.context(), precision, choice);
          AffinePlan plan = theirs.plan(sizes);
          AffinePlan own = cuda.dense().plan(sizes)) {
        Tensor want = Tensor.zeros(arena, sizes.output());
        own.forward(x, weights, bias, want);
        Tensor wantDx = Tensor.zeros(arena, sizes.input());
        own.inputGradient(dy, weights, wantDx, false);
        for (Place place : List.<Place>of(t -> t, t -> misaligned(cuda, arena, t))) {
          Tensor w = place.of(weights);
          Tensor y = place.of(integers(arena, random, sizes.output())); // overwritten
          plan.forward(place.of(x), w, bias, y);
          KernelTest.assertBitwise(want, host(arena, y));
          Tensor dx = place.of(integers(arena, random, sizes.input()));
          plan.inputGradient(place.of(dy), w, dx, false);
          KernelTest.assertBitwise(wantDx, host(arena, dx));
          plan.inputGradient(place.of(dy), w, dx, true); // added to itself
          KernelTest.assertBitwise(twice(arena, wantDx), host(arena, dx));
        }
        return plan.implementations().startsWith("cuDNN, ");
      }
    }
  }

  @Test
  void convolutionsOfEveryKindAreOurs() throws Throwable {
    for (Window window :
        List.of(
            THREE,
            Window.square(1),
            THREE.withStride(2),
            Window.square(2).withDilation(2),
            new Window(3, 2, 2, 1, 1, 2, 2, 1, 2, 1))) {
      for (boolean bias : new boolean[] {false, true}) {
        assertTrue(compare(sizes(window, 1, bias), Precision.FP32), window.toString());
      }
    }
    assertEquals(3, ask("fake_cudnn_math"), "FMA only");
    String chosen = "deterministic, of memory that there is, for the arithmetic that was asked for";
    assertEquals(4, ask("fake_cudnn_algorithm"), chosen);
    assertTrue(compare(sizes(THREE, 1, false), Precision.TF32));
    assertEquals(0, ask("fake_cudnn_math"), "TF32 permitted");
    assertEquals(0, ask("fake_cudnn_alive"), "handles and descriptors");
  }

  @Test
  void whatItHasNoFormForIsUnfolded() throws Throwable {
    assertTrue(!compare(sizes(THREE, 2, true), Precision.FP32), "groups");
    assertTrue(!compare(sizes(Window.square(2).withPadding(0, 1, 1, 1), 1, true), Precision.FP32));
    assertEquals(0, ask("fake_cudnn_alive"));
  }

  /** It has no BF16 for float32 values: products are made in BF16, convolutions in TF32. */
  @Test
  void inBf16ItMakesThemInTf32AndSaysSo() throws Throwable {
    assertTrue(compare(sizes(THREE, 1, true), Precision.BF16));
    assertEquals(0, ask("fake_cudnn_math"), "TF32 permitted");
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.BF16)) {
      CudaDnn dnn = new CudaDnn(library(), cuda.context(), Precision.BF16);
      assertTrue(dnn.name().endsWith("libcudnn.so.9, in TF32"), dnn.name());
      dnn.close();
    }
    assertEquals(0, ask("fake_cudnn_alive"));
  }

  /** Makes a convolution on the device behind the driver, whichever way it is made. */
  static final class Made {
    private Made() {}

    public static void main(String[] arguments) {
      try (Backend cuda = Device.cuda(0).open();
          Arena arena = Arena.ofConfined();
          AffinePlan plan = cuda.dense().plan(sizes(THREE, 1, false))) {
        Tensor x = cuda.zeros(arena, plan.sizes().input());
        Tensor w = cuda.zeros(arena, plan.sizes().weights());
        plan.forward(
            x, w, cuda.zeros(arena, Shape.of(0)), cuda.zeros(arena, plan.sizes().output()));
        System.out.println(plan.implementations());
      }
    }
  }

  /** Where it has no algorithm that leaves the same bits, we make the convolution, and say why. */
  @Test
  void whatItHasNoAlgorithmForIsUnfolded() throws Exception {
    Map<String, String> environment =
        Map.of(
            CudaLibrary.PATH_VARIABLE,
            FOLDER.toString(),
            "FAKE_CUDNN_ALGORITHMS",
            "3", // the fourth would be the first that will do
            "LD_LIBRARY_PATH",
            Repository.path("target/native/release/driver").toString());
    ChildJvm.Outcome outcome = ChildJvm.finish(ChildJvm.start(Made.class, List.of(), environment));
    assertEquals(0, outcome.status(), outcome.output());
    assertTrue(
        outcome
            .output()
            .contains("unfolded (cudnnGetConvolutionForwardAlgorithm_v7: none is deterministic), "),
        outcome.output());
  }

  /**
   * Behind the driver's interface the device counts as a real one, and libraries are looked for.
   */
  private static String described(Map<String, String> more, String... properties) throws Exception {
    Map<String, String> environment = new HashMap<>(more);
    environment.put(CudaLibrary.PATH_VARIABLE, FOLDER.toString());
    return CudaLibrariesTest.behindTheDriver(environment, List.of(properties));
  }

  @Test
  void theDeviceSaysWhereConvolutionsAreMade() throws Exception {
    String output = described(Map.of());
    assertTrue(output.contains("convolution=cuDNN 9.1.2 from " + FOLDER), output);
    output = described(Map.of("FAKE_CUDNN_STATUS", "1001"));
    assertTrue(output.contains("convolution=unfolded products ("), output);
    assertTrue(output.contains("cudnnCreate: CUDNN_STATUS_NOT_INITIALIZED (1001))"), output);
    output = described(Map.of(), CudaDnn.PROPERTY + "=own");
    assertTrue(output.contains("unfolded products (-Dnepenthe.cuda.dnn=own)"), output);
    if (CudaLibrary.find("libcudnn.so.9").isEmpty()) {
      output = CudaLibrariesTest.behindTheDriver(Map.of(), List.of());
      assertTrue(
          output.contains("convolution=unfolded products (libcudnn.so.9 was not found;"), output);
    }
  }
}
