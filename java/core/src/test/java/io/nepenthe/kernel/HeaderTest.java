package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The C header and the Java bindings say the same. */
class HeaderTest {
  private static final String HANDLE = "struct nep_primitive";

  /** Every pointer that the ABI may pass, besides the one opaque handle. */
  private static final Set<String> POINTERS =
      Set.of(
          "float*",
          "const float*",
          "double*",
          "uint8_t*",
          "const uint8_t*",
          "const int32_t*",
          "const int64_t*",
          "uint64_t*",
          "const uint64_t*",
          HANDLE + "*");

  private static final Map<String, MemoryLayout> VALUES =
      Map.of(
          "int64_t", ValueLayout.JAVA_LONG,
          "int32_t", ValueLayout.JAVA_INT,
          "float", ValueLayout.JAVA_FLOAT,
          "double", ValueLayout.JAVA_DOUBLE);

  @Test
  void everyPrototypeIsBoundAsItIsWritten() {
    Map<String, FunctionDescriptor> written =
        parse(Repository.read(Repository.path("native/include/nepenthe.h")));
    assertTrue(written.size() > 20, "the parser found only " + written.keySet());
    NativeLibrary.require().describe();
    Repository.kernelClasses();
    Map<String, FunctionDescriptor> bound = NativeLibrary.bound();
    assertEquals(written.keySet(), bound.keySet());
    written.forEach((name, descriptor) -> assertEquals(descriptor, bound.get(name), name));
  }

  @Test
  void theParserReadsWhatItShouldAndNothingElse() {
    FunctionDescriptor expected =
        FunctionDescriptor.of(
            ValueLayout.JAVA_INT,
            ValueLayout.ADDRESS,
            ValueLayout.ADDRESS,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_FLOAT);
    String text =
        """
        #include <stdint.h>
        #ifdef __cplusplus
        extern "C" {
        #endif
        /* nep_ghost(int32_t); is a comment. */
        struct nep_primitive;
        int32_t nep_one(const float* in,
                        uint64_t* out, int64_t n, float scale);
        void nep_none();
        """;
    Map<String, FunctionDescriptor> parsed = parse(text);
    assertEquals(Set.of("nep_one", "nep_none"), parsed.keySet());
    assertEquals(expected, parsed.get("nep_one"));
    assertEquals(FunctionDescriptor.ofVoid(), parsed.get("nep_none"));
    for (String odd :
        new String[] {
          "void nep_a(int n);",
          "void nep_a(float** x);",
          "char nep_a(float x);",
          "void nep_a(struct other* x);",
          "void other(float x);",
          "int32_t nep_a;",
          "void nep_a(float);"
        }) {
      assertThrows(AssertionError.class, () -> parse(odd), odd);
    }
  }

  /** All prototypes by name; fails on anything that is not one, or is outside the vocabulary. */
  private static Map<String, FunctionDescriptor> parse(String header) {
    String code =
        header
            .replaceAll("(?s)/\\*.*?\\*/", " ")
            .replaceAll("(?m)^\\s*#.*$", " ")
            .replace("extern \"C\" {", " ")
            .replaceAll("\\}", " ");
    Map<String, FunctionDescriptor> prototypes = new TreeMap<>();
    Pattern prototype = Pattern.compile("(.+?)\\s*\\b(nep_\\w+)\\s*\\((.*)\\)");
    for (String statement : code.split(";")) {
      String line = statement.strip().replaceAll("\\s+", " ");
      if (line.isEmpty() || line.equals(HANDLE)) {
        continue;
      }
      Matcher matcher = prototype.matcher(line);
      assertTrue(matcher.matches(), "not a prototype: " + line);
      String result = matcher.group(1);
      MemoryLayout[] parameters =
          matcher.group(3).isBlank()
              ? new MemoryLayout[0]
              : Arrays.stream(matcher.group(3).split(","))
                  .map(HeaderTest::parameter)
                  .toArray(MemoryLayout[]::new);
      prototypes.put(
          matcher.group(2),
          result.equals("void")
              ? FunctionDescriptor.ofVoid(parameters)
              : FunctionDescriptor.of(type(result), parameters));
    }
    return prototypes;
  }

  private static MemoryLayout parameter(String text) {
    Matcher named = Pattern.compile("(.+[ *])\\w+").matcher(text.strip());
    assertTrue(named.matches(), "a parameter needs a type and a name: " + text);
    return type(named.group(1).strip());
  }

  private static MemoryLayout type(String name) {
    if (POINTERS.contains(name)) {
      return ValueLayout.ADDRESS;
    }
    assertTrue(VALUES.containsKey(name), "not in the ABI's vocabulary: " + name);
    return VALUES.get(name);
  }
}
