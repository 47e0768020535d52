package io.nepenthe.kernel;

/** The native library could not be loaded, or a call into oneDNN or LAPACK failed. */
public final class NativeException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  NativeException(String message) {
    super(message);
  }
}
