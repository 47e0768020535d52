package io.nepenthe.cli;

/** What this build says about graphics processors. */
final class Cuda {
  static final String ABSENT = "this build has no CUDA backend";
  static final String REMEDY =
      "use --device cpu or --device auto: every command runs on the processor";

  private Cuda() {}
}
