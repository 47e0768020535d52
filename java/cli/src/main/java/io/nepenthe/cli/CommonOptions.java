package io.nepenthe.cli;

import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.Precision;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What every command takes. */
final class CommonOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  private int threads = Device.threads();

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "auto",
      description = "auto, cpu, cuda or cuda:N (default: auto, the best there is).")
  private String device;

  @Option(
      names = "--precision",
      paramLabel = "PRECISION",
      defaultValue = "FP32",
      description =
          "On a CUDA device, what factors are rounded to before they are multiplied: FP32, TF32 or BF16 (default: FP32).")
  private Precision precision;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Decides everything random (default: 1).")
  long seed;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write the machine-readable result to FILE.")
  Path json;

  @Option(names = "--quiet", description = "Print nothing but errors.")
  boolean quiet;

  @Option(names = "--stacktrace", description = "Show where in the code a failure came from.")
  boolean stacktrace;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help and exit.")
  private boolean help;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Use at most N threads (default: all processors). No result depends on it.")
  private void threads(int value) {
    if (value < 1 || value > Device.MOST_THREADS) {
      throw new ParameterException(
          command.commandLine(),
          "--threads: expected 1 to " + Device.MOST_THREADS + ", found " + value);
    }
    threads = value;
  }

  int threads() {
    return threads;
  }

  /**
   * The device asked for.
   *
   * @throws ParameterException if it is none of the forms
   * @throws CommandException if it is not there
   */
  Device device() {
    if (device.matches("cuda(:[0-9]{1,4})?")) {
      int ordinal = device.equals("cuda") ? 0 : Integer.parseInt(device.substring(5));
      Cuda.unavailable(ordinal)
          .ifPresent(
              reason -> {
                throw new CommandException(
                    "--device " + device + ": " + reason + "; remedy: " + Cuda.REMEDY);
              });
      return Device.cuda(ordinal, precision);
    }
    if (!device.equals("auto") && !device.equals("cpu")) {
      throw new ParameterException(
          command.commandLine(),
          "--device: expected auto, cpu, cuda or cuda:N, found \"" + device + "\"");
    }
    if (device.equals("auto") && Cuda.unavailable(0).isEmpty()) {
      return Device.cuda(0, precision);
    }
    return Device.cpu(threads);
  }

  /** Why {@code auto} took the processor; empty if another device was asked for or taken. */
  Optional<String> fallback() {
    return device.equals("auto") ? Cuda.unavailable(0) : Optional.empty();
  }
}
