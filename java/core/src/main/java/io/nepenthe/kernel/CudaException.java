package io.nepenthe.kernel;

/**
 * A call to the CUDA driver failed, a device has no room, or there is no device: what was wanted,
 * what was found, and, for a kernel, its grid, its block and the sizes of the operation.
 */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  CudaException(String message) {
    super(message);
  }

  CudaException(String message, Throwable cause) {
    super(message, cause);
  }
}
