package io.nepenthe;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** A package depends only on those below it, and restricted methods are called in two classes. */
class LayersTest {
  private static final JavaClasses SHIPPED =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("io.nepenthe");

  /** Each package of this module, and those that it may use. */
  private static final Map<String, Set<String>> BELOW =
      Map.of(
          "tensor", Set.of(),
          "data", Set.of("tensor"),
          "kernel", Set.of("tensor"),
          "nn", Set.of("data", "kernel", "tensor"),
          "curvature", Set.of("nn", "data", "kernel", "tensor"),
          "unlearn", Set.of("curvature", "nn", "data", "kernel", "tensor"),
          "evaluate", Set.of("curvature", "nn", "data", "kernel", "tensor"),
          "detect", Set.of("curvature", "nn", "data", "kernel", "tensor"));

  /** The methods that the JDK restricts, which can crash the virtual machine. */
  private static final Map<Class<?>, Set<String>> RESTRICTED =
      Map.of(
          Linker.class, Set.of("downcallHandle", "upcallStub"),
          SymbolLookup.class, Set.of("libraryLookup"),
          MemorySegment.class, Set.of("reinterpret"),
          AddressLayout.class, Set.of("withTargetLayout"),
          ModuleLayer.Controller.class, Set.of("enableNativeAccess"),
          System.class, Set.of("load", "loadLibrary"),
          Runtime.class, Set.of("load", "loadLibrary"));

  private static final Set<String> RESTRICTED_IN =
      Set.of("io.nepenthe.kernel.NativeLibrary", "io.nepenthe.kernel.CudaLibrary");

  @TestFactory
  List<DynamicTest> aPackageDependsOnlyOnThoseBelow() {
    return BELOW.entrySet().stream()
        .map(
            entry ->
                DynamicTest.dynamicTest(
                    entry.getKey() + " → " + entry.getValue(),
                    () -> onlyOn(entry.getKey(), entry.getValue()).check(SHIPPED)))
        .toList();
  }

  @Test
  void everyPackageHasItsPlace() {
    String[] places = BELOW.keySet().stream().map(LayersTest::inside).toArray(String[]::new);
    classes()
        .should()
        .resideInAnyPackage(places)
        .orShould()
        .resideInAPackage("io.nepenthe")
        .check(SHIPPED);
    assertFalse(SHIPPED.isEmpty(), "nothing was imported");
  }

  @Test
  void aForbiddenArrowIsSeen() {
    ArchRule kernelOnNothing = onlyOn("kernel", Set.of());
    AssertionError seen = assertThrows(AssertionError.class, () -> kernelOnNothing.check(SHIPPED));
    assertTrue(seen.getMessage().contains("io.nepenthe.tensor.Tensor"), seen.getMessage());
  }

  @Test
  void restrictedMethodsAreCalledInTwoClasses() {
    unrestricted(RESTRICTED_IN).check(SHIPPED);
  }

  @Test
  void aRestrictedCallIsSeen() {
    assertThrows(AssertionError.class, () -> unrestricted(Set.of()).check(SHIPPED));
    JavaClasses here = new ClassFileImporter().importClasses(Restricted.class);
    AssertionError seen =
        assertThrows(AssertionError.class, () -> unrestricted(RESTRICTED_IN).check(here));
    for (String name : List.of("reinterpret", "libraryLookup", "load")) {
      assertTrue(seen.getMessage().contains("." + name + "("), seen.getMessage());
    }
  }

  /** Calls restricted methods, to see that the rule finds them. */
  @SuppressWarnings("restricted")
  private static final class Restricted {
    static Object all() {
      System.load("/nowhere");
      SymbolLookup.libraryLookup("nothing", Arena.global());
      return MemorySegment.NULL.reinterpret(1);
    }
  }

  private static ArchRule onlyOn(String name, Set<String> below) {
    String[] others =
        BELOW.keySet().stream()
            .filter(other -> !other.equals(name) && !below.contains(other))
            .map(LayersTest::inside)
            .toArray(String[]::new);
    return noClasses()
        .that()
        .resideInAPackage(inside(name))
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(others)
        .allowEmptyShould(true);
  }

  private static ArchRule unrestricted(Set<String> except) {
    return noClasses()
        .that(
            DescribedPredicate.describe(
                "may call none", (JavaClass type) -> !except.contains(type.getName())))
        .should()
        .accessTargetWhere(
            new DescribedPredicate<JavaAccess<?>>("the target is restricted") {
              @Override
              public boolean test(JavaAccess<?> access) {
                return RESTRICTED.entrySet().stream()
                    .anyMatch(
                        entry ->
                            access.getTargetOwner().isEquivalentTo(entry.getKey())
                                && entry.getValue().contains(access.getTarget().getName()));
              }
            });
  }

  private static String inside(String name) {
    return "io.nepenthe." + name + "..";
  }
}
