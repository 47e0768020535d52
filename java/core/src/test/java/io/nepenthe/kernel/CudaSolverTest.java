package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Eigenproblems by cuSOLVER's C interface, with a library in its place that works on the host
 * (cuda/emulator/cusolver.cpp), against LAPACK's.
 */
class CudaSolverTest {
  private static final Path FOLDER = CudaTest.LIBRARIES;

  @TempDir private Path folder;

  @BeforeEach
  void onTheEmulator() {
    CudaTest.assumeLibrariesInPlace();
  }

  private static double[] symmetric(int n) {
    SplittableRandom random = new SplittableRandom(n);
    double[] matrix = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        matrix[i * n + j] = random.nextDouble(-1, 1);
        matrix[j * n + i] = matrix[i * n + j];
      }
    }
    return matrix;
  }

  @Test
  void itsVectorsAndValuesAreLapacks() throws Throwable {
    CudaLibrary library = CudaLibrary.find("libcusolver.so.12", FOLDER.toString()).orElseThrow();
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        CudaSolver solver = new CudaSolver(library, cuda.context())) {
      for (int n : new int[] {1, 2, 7, 20}) {
        double[] matrix = symmetric(n);
        SymmetricEigen want = SymmetricEigen.of(matrix, n);
        SymmetricEigen got = SymmetricEigen.of(matrix, n, solver);
        // Both are backward stable: off by a few roundings of the norm, which is at most n.
        double bound = 100 * n * 0x1p-52;
        assertArrayEquals(want.values(), got.values(), bound);
        for (int k = 0; k < n; k++) {
          double dot = 0;
          for (int i = 0; i < n; i++) {
            dot += want.vectors()[i * n + k] * got.vectors()[i * n + k];
          }
          assertEquals(1, Math.abs(dot), bound, n + ", vector " + k);
        }
      }
      assertEquals(0, cuda.context().memory().liveBytes());
    }
    assertEquals(0, (int) library.function("fake_cusolver_alive", NativeLibrary.INT).invokeExact());
  }

  /** Decomposes on a device that counts as a real one. */
  static final class Work {
    public static void main(String[] arguments) {
      try (Backend cuda = Device.cuda(0).open()) {
        System.out.println(cuda.describe());
        var matrix = new SymmetricEigen.Matrix(new double[] {2, 1, 1, 2}, 2);
        for (SymmetricEigen eigen : cuda.symmetricEigen(_ -> matrix, 2)) {
          System.out.printf("%.0f and %.0f%n", eigen.values()[0], eigen.values()[1]);
        }
      } catch (NativeException e) {
        System.out.println("failed: " + e.getMessage());
      }
    }
  }

  private static String run(Map<String, String> environment, String... properties)
      throws Exception {
    Map<String, String> all = new java.util.HashMap<>(environment);
    all.putIfAbsent(CudaLibrary.PATH_VARIABLE, FOLDER.toString());
    all.put("LD_LIBRARY_PATH", Repository.path("target/native/release/driver").toString());
    ChildJvm.Outcome outcome =
        ChildJvm.finish(ChildJvm.start(Work.class, List.of(properties), all));
    assertEquals(0, outcome.status(), outcome.output());
    return outcome.output();
  }

  @Test
  void theDeviceTakesItWhereItIsFoundAndStarts() throws Exception {
    String output = run(Map.of());
    assertTrue(output.contains("eigenvectors=cuSOLVER 12.0.0 from " + FOLDER), output);
    assertTrue(output.contains("1 and 3\n1 and 3"), output);
    output = run(Map.of("FAKE_CUSOLVER_INFO", "5"));
    assertTrue(output.contains("failed: syevd failed on 2 × 2: 5"), output);
    output = run(Map.of(), CudaSolver.PROPERTY + "=own");
    assertTrue(output.contains("eigenvectors=LAPACK (-Dnepenthe.cuda.solver=own)"), output);
    assertTrue(output.contains("1 and 3\n1 and 3"), output);
    output = run(Map.of("FAKE_CUSOLVER_STATUS", "1"));
    assertTrue(output.contains("cusolverDnCreate gave status 1)"), output);
  }

  @Test
  void librariesThatCannotBeLoadedAreNamedAndDoneWithout() throws Exception {
    for (String name : List.of("libcublas.so.13", "libcudnn.so.9", "libcusolver.so.12")) {
      Files.writeString(folder.resolve(name), "no library");
    }
    String output = run(Map.of(CudaLibrary.PATH_VARIABLE, folder.toString()));
    String why = " (cannot load " + folder;
    assertTrue(output.contains("matrix=own kernels" + why), output);
    assertTrue(output.contains("convolution=unfolded products" + why), output);
    assertTrue(output.contains("eigenvectors=LAPACK" + why), output);
  }
}
