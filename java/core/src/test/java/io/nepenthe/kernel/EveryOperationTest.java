package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.invoke.MethodHandle;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * Every operation is whole: a class with formula, cost model and plain-Java reference, a native
 * source, a CUDA source, prototypes, a test and a benchmark, all of one stem.
 */
class EveryOperationTest {
  /** Classes that bind native functions and are no operations of their own. */
  private static final Set<String> OTHER_BINDINGS =
      Set.of(
          "CpuAffinePlan", // oneDNN
          "Call", // of cuDNN
          "CudaBlas", // cuBLAS
          "CudaDnn", // cuDNN
          "CpuDense", // a network's forward and backward pass, tested as such
          "CpuBatchNormRelu",
          "CpuPool",
          "CpuPad",
          "CpuThreads", // what the system lets run
          "EmulatedDriver", // the seam to a device
          "Handles", // of CudaRanges: a profiler's time line
          "Lapack", // of SymmetricEigen
          "Roof", // what the machine can do at most
          "NativeLibrary");

  /** The sources of those in native/src/kernels. */
  private static final Set<String> OTHER_SOURCES =
      Set.of("activation", "batch_norm", "batch_norm_relu", "pad", "pool", "roof");

  /** The operations' classes: those that bind native functions. */
  private static List<Class<?>> operations() {
    return Repository.kernelClasses().stream()
        .filter(type -> !OTHER_BINDINGS.contains(type.getSimpleName()))
        .filter(
            type ->
                Arrays.stream(type.getDeclaredFields())
                    .anyMatch(field -> field.getType() == MethodHandle.class))
        .toList();
  }

  /** SelectTop → select_top. */
  private static String snake(String name) {
    return Pattern.compile("(?<=[a-z])(?=[A-Z])")
        .matcher(name)
        .replaceAll("_")
        .toLowerCase(Locale.ROOT);
  }

  @Test
  void everyNativeSourceHasItsClassAndEveryClassItsSource() {
    Set<String> sources = new TreeSet<>(Repository.stems("native/src/kernels", ".cpp"));
    assertTrue(sources.removeAll(OTHER_SOURCES));
    Set<String> classes = new TreeSet<>();
    operations().forEach(type -> classes.add(snake(type.getSimpleName())));
    assertFalse(classes.isEmpty());
    assertEquals(sources, classes);
  }

  /** Every CUDA source begins with what its header must say, and whether it was measured. */
  @Test
  void everyNativeSourceHasItsCudaSourceWithItsHeader() {
    List<String> sources = Repository.stems("cuda", ".cu");
    Set<String> missing = new TreeSet<>(Repository.stems("native/src/kernels", ".cpp"));
    missing.removeAll(sources);
    assertEquals(Set.of(), missing, "kernels of the processor without a CUDA source");
    for (String source : sources) {
      String text = Repository.read(Repository.path("cuda/" + source + ".cu"));
      String header = text.substring(0, text.indexOf("#include"));
      int at = -1;
      for (String label : List.of("Formula", "Layout", "Threads", "Cost", "Sums", "Tried")) {
        int found = header.indexOf("// " + label + ": ");
        assertTrue(found > at, source + ".cu: no " + label + " in its place");
        at = found;
      }
      String tried = header.substring(at);
      assertTrue(
          tried.contains("not measured on a GPU")
              || Pattern.compile("\\d{4}-\\d\\d-\\d\\d").matcher(tried).find(),
          source + ".cu does not say what it was measured on: " + tried);
    }
  }

  @Test
  void everyClassHasACostModelAndAReference() {
    for (Class<?> type : operations()) {
      for (String name : List.of("bytes", "flops")) {
        assertTrue(
            Arrays.stream(type.getDeclaredMethods())
                .anyMatch(
                    method ->
                        method.getName().equals(name)
                            && method.getReturnType() == long.class
                            && Modifier.isStatic(method.getModifiers())
                            && Modifier.isPublic(method.getModifiers())),
            type + " has no public static long " + name);
      }
      assertTrue(
          Arrays.stream(type.getDeclaredMethods())
              .anyMatch(method -> method.getName().equals("reference")),
          type + " has no plain-Java reference");
    }
  }

  @Test
  void everyClassHasItsPrototypes() {
    String header = Repository.read(Repository.path("native/include/nepenthe.h"));
    for (Class<?> type : operations()) {
      Pattern prototype = Pattern.compile("\\bnep_" + snake(type.getSimpleName()) + "(_\\w+)?\\(");
      assertTrue(prototype.matcher(header).find(), type + " has no prototype " + prototype);
    }
  }

  @Test
  void everyClassHasATestAndABenchmark() {
    List<String> tests = Repository.stems("java/core/src/test/java/io/nepenthe/kernel", ".java");
    List<String> benchmarks =
        Repository.stems("benchmarks/src/main/java/io/nepenthe/benchmarks", ".java");
    for (Class<?> type : operations()) {
      String name = type.getSimpleName();
      assertTrue(tests.contains(name + "Test"), name + " has no test");
      assertTrue(benchmarks.contains(name + "Benchmark"), name + " has no benchmark");
    }
  }

  @Test
  void theExceptionsExist() {
    Set<String> names = new TreeSet<>();
    Repository.kernelClasses().forEach(type -> names.add(type.getSimpleName()));
    assertTrue(names.containsAll(OTHER_BINDINGS), "stale: " + OTHER_BINDINGS);
    assertTrue(Repository.stems("native/src/kernels", ".cpp").containsAll(OTHER_SOURCES));
  }
}
