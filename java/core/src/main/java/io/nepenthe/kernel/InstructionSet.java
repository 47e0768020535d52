package io.nepenthe.kernel;

import java.util.Arrays;
import java.util.stream.Collectors;

/** The instruction-set levels that kernels are compiled for, lowest first. */
public enum InstructionSet {
  /** SSE4.2: every x86-64 processor since about 2009. */
  X86_64_V2("x86-64-v2"),
  /** AVX2 and FMA. */
  X86_64_V3("x86-64-v3"),
  /** AVX-512 F, BW, CD, DQ, VL. */
  X86_64_V4("x86-64-v4"),
  /** The compiler's vector extensions, on other processors. */
  GENERIC("generic");

  /**
   * The environment variable that bounds the level chosen at load, for instance to compare levels.
   */
  public static final String CAP_VARIABLE = "NEPENTHE_MAX_ISA";

  private final String text;

  InstructionSet(String text) {
    this.text = text;
  }

  /** The name as compilers and {@value #CAP_VARIABLE} write it, for instance {@code x86-64-v3}. */
  public String text() {
    return text;
  }

  /**
   * The level of that name.
   *
   * @param source what the name was read from, for the message
   * @throws NativeException if there is no such level
   */
  static InstructionSet parse(String name, String source) {
    for (InstructionSet level : values()) {
      if (level.text.equals(name)) {
        return level;
      }
    }
    throw new NativeException(
        source
            + "="
            + name
            + " names no instruction-set level; expected one of "
            + Arrays.stream(values()).map(InstructionSet::text).collect(Collectors.joining(", ")));
  }
}
