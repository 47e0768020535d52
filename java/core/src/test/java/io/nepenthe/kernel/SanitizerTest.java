package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** That the sanitizers see what they are there to see: {@code mvn -Psanitize}. */
@EnabledIfSystemProperty(
    named = "nepenthe.sanitized",
    matches = "true",
    disabledReason = "the library has no sanitizers: mvn -Psanitize builds one that has")
class SanitizerTest {
  /** Reads an element of a tensor, both numbers being arguments, or overflows an int. */
  static final class Probe {
    public static void main(String[] arguments) throws Throwable {
      if (arguments[0].equals("overflow")) {
        MethodHandle increment =
            NativeLibrary.function("nep_probe_increment", NativeLibrary.INT, NativeLibrary.INT);
        System.out.println("got " + (int) increment.invokeExact(Integer.MAX_VALUE));
        return;
      }
      MethodHandle read =
          NativeLibrary.function(
              "nep_probe_read", NativeLibrary.FLOAT, NativeLibrary.POINTER, NativeLibrary.LONG);
      try (Arena arena = Arena.ofConfined()) {
        Tensor tensor = KernelTest.guarded(arena, Long.parseLong(arguments[0]), () -> 1).tensor();
        float value = (float) read.invokeExact(tensor.segment(), Long.parseLong(arguments[1]));
        System.out.println("got " + value);
      }
    }
  }

  private static ChildJvm.Outcome probe(String... arguments) throws Exception {
    List<String> properties =
        List.of(
            "nepenthe.sanitized=true",
            "nepenthe.library=" + System.getProperty(NativeLibrary.LIBRARY_PROPERTY));
    return ChildJvm.finish(ChildJvm.start(Probe.class, properties, Map.of(), arguments));
  }

  @Test
  void readsWithinATensorPass() throws Exception {
    assertEquals(new ChildJvm.Outcome(0, "got 1.0"), probe("4", "3"));
  }

  @Test
  void aReadPastTheEndIsCaught() throws Exception {
    for (int size : new int[] {0, 3, 4, 15}) {
      String text = Integer.toString(size);
      assertCaught("heap-buffer-overflow", probe(text, text));
    }
  }

  @Test
  void aReadBeforeTheStartIsCaught() throws Exception {
    assertCaught("heap-buffer-overflow", probe("4", "-1"));
  }

  @Test
  void anIntegerOverflowIsCaught() throws Exception {
    assertCaught("signed integer overflow", probe("overflow"));
  }

  private static void assertCaught(String finding, ChildJvm.Outcome outcome) {
    assertNotEquals(0, outcome.status(), outcome.output());
    assertTrue(outcome.output().contains(finding), outcome.output());
    assertTrue(outcome.output().contains("nep_probe"), outcome.output());
  }
}
