package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * CUDA's libraries by their C interfaces, with libraries in their place that do on the host what
 * the manuals say (cuda/emulator): which arguments, in which order, and what happens without them.
 */
class CudaLibrariesTest {
  private static final Path FOLDER = CudaTest.LIBRARIES;

  @TempDir private Path folder;

  /** The libraries in their place work on memory of the host, which a real device's is not. */
  @BeforeEach
  void onTheEmulator() {
    CudaTest.assumeLibrariesInPlace();
  }

  private static CudaLibrary library() {
    return CudaLibrary.find("libcublas.so.13", FOLDER.toString()).orElseThrow();
  }

  private static int ask(CudaLibrary library, String name) throws Throwable {
    MethodHandle function = library.function(name, NativeLibrary.INT);
    return (int) function.invokeExact();
  }

  @Test
  void productsOfEveryKindInRowsAreProductsOfCuBlasInColumns() throws Throwable {
    CudaLibrary library = library();
    SplittableRandom random = new SplittableRandom(1);
    for (Precision precision : Precision.values()) {
      try (CudaBackend cuda = CudaTest.emulated(1, precision);
          Arena arena = Arena.ofConfined();
          CudaBlas blas = new CudaBlas(library, cuda.context(), precision)) {
        assertTrue(blas.name().contains("cuBLAS 13.0.0 from " + FOLDER), blas.name());
        assertEquals(1, ask(library, "fake_cublas_alive"));
        for (int kind = 0; kind < 8; kind++) {
          multiply(cuda.context(), blas, arena, random, kind);
        }
        int compute = ask(library, "fake_cublas_compute");
        assertEquals(Map.of("FP32", 68, "TF32", 77, "BF16", 75).get(precision.name()), compute);
      }
      assertEquals(0, ask(library, "fake_cublas_alive"));
    }
  }

  /** Bits of the kind: A transposed, B transposed, added to C. Rows are further apart than long. */
  private static void multiply(
      CudaContext context, CudaGemm gemm, Arena arena, SplittableRandom random, int kind) {
    int m = random.nextInt(1, 6);
    int n = random.nextInt(1, 6);
    int k = random.nextInt(1, 6);
    boolean left = (kind & 1) != 0;
    boolean right = (kind & 2) != 0;
    Tensor a = integers(arena, random, left ? k : m, (left ? m : k) + 2);
    Tensor b = integers(arena, random, right ? n : k, (right ? k : n) + 1);
    Tensor c = integers(arena, random, m, n + 3);
    Tensor want = KernelTest.copy(arena, c);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        long at = i * (n + 3L) + j;
        float sum = (kind & 4) != 0 ? want.get(at) : 0;
        for (int t = 0; t < k; t++) {
          long inA = left ? t * (m + 2L) + i : i * (k + 2L) + t;
          long inB = right ? j * (k + 1L) + t : t * (n + 1L) + j;
          sum += a.get(inA) * b.get(inB);
        }
        want.set(at, sum);
      }
    }
    try (var op = context.begin("test", "", 0, 0)) {
      gemm.multiply(
          op,
          new CudaGemm.Matrix(op.read(a), a.shape().size(1)),
          left,
          new CudaGemm.Matrix(op.read(b), b.shape().size(1)),
          right,
          new CudaGemm.Matrix(op.update(c), c.shape().size(1)),
          m,
          n,
          k,
          (kind & 4) != 0 ? 1 : 0);
      op.finish();
    }
    KernelTest.assertBitwise(want, c);
  }

  private static Tensor integers(Arena arena, SplittableRandom random, long rows, long pitch) {
    Tensor tensor = Tensor.zeros(arena, rows, pitch);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, random.nextInt(-4, 5));
    }
    return tensor;
  }

  @Test
  void whatCuBlasRefusesIsNamed() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        CudaBlas blas = new CudaBlas(library(), cuda.context(), Precision.FP32);
        var op = cuda.context().begin("test", "", 0, 0)) {
      long room = op.zeros(256);
      CudaGemm.Matrix narrow = new CudaGemm.Matrix(room, 1); // rows of 3 that are 1 apart
      CudaException seen =
          assertThrows(
              CudaException.class,
              () -> blas.multiply(op, narrow, false, narrow, false, narrow, 3, 3, 3, 0));
      assertEquals("cublasGemmEx 3×3×3: invalid value (7)", seen.getMessage());
    }
  }

  /** Makes a device's products, in a process whose environment says where libraries are. */
  static final class Work {
    public static void main(String[] arguments) throws Exception {
      if (arguments.length > 0) {
        System.setProperty(CudaGemm.PROPERTY, arguments[0]);
      }
      try (CudaBackend cuda = (CudaBackend) Device.cuda(0).open();
          Arena arena = Arena.ofConfined()) {
        System.out.println(cuda.describe());
        Tensor x = cuda.zeros(arena, Shape.of(4));
        cuda.dense().relu(x, x);
        cuda.dense().celu(x, x, 1);
      } catch (CudaException e) {
        System.out.println("refused: " + e.getMessage());
      }
    }
  }

  /** The emulator behind CUDA's driver API, so that the device counts as a real one. */
  static String behindTheDriver(
      Map<String, String> environment, List<String> properties, String... arguments)
      throws Exception {
    Map<String, String> all = new HashMap<>(environment);
    all.put("LD_LIBRARY_PATH", Repository.path("target/native/release/driver").toString());
    ChildJvm.Outcome outcome =
        ChildJvm.finish(ChildJvm.start(Work.class, properties, all, arguments));
    assertEquals(0, outcome.status(), outcome.output());
    return outcome.output();
  }

  @Test
  void cuBlasIsTakenWhereItIsFoundAndStarts() throws Exception {
    Map<String, String> there = Map.of(CudaLibrary.PATH_VARIABLE, FOLDER.toString());
    String output = behindTheDriver(there, List.of());
    assertTrue(output.contains("matrix=cuBLAS 13.0.0 from " + FOLDER), output);
    output = behindTheDriver(there, List.of(), "own");
    assertTrue(output.contains("matrix=own kernels (-Dnepenthe.cuda.blas=own)"), output);
    output = behindTheDriver(there, List.of(), "some");
    assertTrue(output.contains("-Dnepenthe.cuda.blas=some: expected auto or own"), output);
    Map<String, String> broken = new HashMap<>(there);
    broken.put("FAKE_CUBLAS_STATUS", "1");
    output = behindTheDriver(broken, List.of());
    assertTrue(output.contains("cublasCreate: the library was not initialized (1))"), output);
    if (CudaBlas.find().isEmpty()) {
      output = behindTheDriver(Map.of(), List.of());
      assertTrue(
          output.contains("matrix=own kernels (libcublas.so.13 and libcublas.so.12 were not found"),
          output);
    }
  }

  @Test
  void rangesOfAProfilerNameTheOperations() throws Exception {
    Path ranges = folder.resolve("ranges");
    Map<String, String> environment =
        Map.of(CudaLibrary.PATH_VARIABLE, FOLDER.toString(), "FAKE_NVTX", ranges.toString());
    String property = CudaRanges.PROPERTY + "=true";
    behindTheDriver(environment, List.of(property), "own");
    List<String> lines = Files.readAllLines(ranges);
    assertEquals(List.of("relu", "celu"), lines); // each has ended when the next begins
    if (CudaLibrary.find("libnvToolsExt.so.1").isEmpty()
        && CudaLibrary.find("libnvtx3interop.so.1").isEmpty()) {
      String output = behindTheDriver(Map.of(), List.of(property));
      assertTrue(output.contains("neither libnvToolsExt.so.1 nor libnvtx3interop.so.1"), output);
    }
  }

  /** Each in a folder of its own, as Python's packages have them. */
  @Test
  void whatALibraryNeedsIsFoundByTheSameRules() throws Exception {
    String[] names = {"libcusolver.so.12", "libcublas.so.13"};
    StringBuilder path = new StringBuilder();
    for (String name : names) {
      Path own = Files.createDirectories(folder.resolve(name.substring(0, 6)).resolve("lib"));
      Files.copy(FOLDER.resolve(name), own.resolve(name));
      path.append(path.isEmpty() ? "" : ":").append(own);
    }
    Map<String, String> both = Map.of(CudaLibrary.PATH_VARIABLE, path.toString());
    String output = behindTheDriver(both, List.of(), "own"); // which does not ask for cuBLAS itself
    assertTrue(output.contains("eigenvectors=cuSOLVER "), output);
    Map<String, String> alone =
        Map.of(CudaLibrary.PATH_VARIABLE, path.substring(0, path.indexOf(":")));
    if (CudaBlas.find().isEmpty()) {
      output = behindTheDriver(alone, List.of(), "own");
      assertTrue(output.contains("eigenvectors=LAPACK (cannot load "), output);
      assertTrue(output.contains("libcublas.so.13: cannot open shared object file"), output);
    }
  }

  @Test
  void pythonsPackagesAreSearched() throws IOException {
    Path environment = folder.resolve("venv/lib/python3.12/site-packages/nvidia");
    Path user = folder.resolve("home/.local/lib/python3.13/site-packages/nvidia/cublas/lib");
    Path system = folder.resolve("root/usr/local/lib/python3.12/dist-packages/nvidia/cu13/lib");
    for (Path made :
        List.of(environment.resolve("cu13/lib"), environment.resolve("cudnn/lib"), user, system)) {
      Files.createDirectories(made);
    }
    Map<String, String> variables =
        Map.of(
            "VIRTUAL_ENV", folder.resolve("venv").toString(),
            "HOME", folder.resolve("home").toString());
    assertEquals(
        List.of(environment.resolve("cu13/lib"), environment.resolve("cudnn/lib"), user, system),
        CudaLibrary.pythonFolders(variables, folder.resolve("root")));
    assertEquals(List.of(), CudaLibrary.pythonFolders(Map.of(), folder.resolve("none")));
  }

  /** A link to a virtual environment's python3, itself a link to the system's. */
  @Test
  void thePackagesOfThePathsPythonAreSearched() throws IOException {
    Path programs = Files.createDirectories(folder.resolve("usr/bin"));
    Path system = Files.createFile(programs.resolve("python3.12"));
    assertTrue(system.toFile().setExecutable(true));
    Path environment = folder.resolve("opt/torch/.venv");
    Path packages = environment.resolve("lib/python3.12/site-packages/nvidia/cu13/lib");
    Files.createDirectories(packages);
    Files.createDirectories(environment.resolve("bin"));
    Files.createFile(environment.resolve("pyvenv.cfg"));
    Files.createSymbolicLink(environment.resolve("bin/python3"), system);
    Path local = Files.createDirectories(folder.resolve("local"));
    Files.createSymbolicLink(local.resolve("python3"), Path.of("../opt/torch/.venv/bin/python3"));
    String path = folder.resolve("empty") + ":" + local + ":" + programs;
    assertEquals(
        List.of(packages), CudaLibrary.pythonFolders(Map.of("PATH", path), folder.resolve("none")));
    Files.createSymbolicLink(programs.resolve("python3"), Path.of("python3.12"));
    Path own = folder.resolve("usr/lib/python3.12/dist-packages/nvidia/cudnn/lib");
    Files.createDirectories(own);
    assertEquals(
        List.of(own),
        CudaLibrary.pythonFolders(Map.of("PATH", "" + programs), folder.resolve("none")));
  }
}
