package io.nepenthe.cli;

import io.nepenthe.kernel.CudaException;
import io.nepenthe.kernel.Device;
import java.util.Optional;

/** What the command line says about graphics processors. */
final class Cuda {
  static final String REMEDY =
      "install NVIDIA's newest driver, or use --device cpu: every command runs on the processor";

  private Cuda() {}

  /**
   * Why that device cannot be used; empty if it can.
   *
   * @throws CommandException if -Dnepenthe.cuda has an unknown value
   */
  static Optional<String> unavailable(int ordinal) {
    try {
      return Device.Cuda.unavailable(ordinal);
    } catch (CudaException e) {
      throw new CommandException(e.getMessage());
    }
  }
}
