package io.nepenthe.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The process's standard output, which keeps the reason why it could not be written: the work goes
 * on, and in the end the answer is known to be incomplete.
 */
final class StandardOutput extends OutputStream {
  /** As of a process that the signal of a broken pipe ends. */
  private static final int BROKEN_PIPE = 128 + 13;

  private static final Path WHERE = Path.of("/proc/self/fd/1");

  private final OutputStream to;
  private final PrintWriter writer;
  private IOException failure;

  private StandardOutput(OutputStream to, Charset charset) {
    this.to = to;
    this.writer = new PrintWriter(this, true, charset);
  }

  static StandardOutput ofThisProcess() {
    return new StandardOutput(new FileOutputStream(FileDescriptor.out), System.out.charset());
  }

  /** Writes to it. */
  PrintWriter writer() {
    return writer;
  }

  @Override
  public void write(int value) {
    write(new byte[] {(byte) value}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) {
    try {
      if (failure == null) {
        to.write(bytes, offset, length);
      }
    } catch (IOException e) {
      failure = e;
    }
  }

  /**
   * The exit status of a command that ended with {@code status}: another than 0 where its answer
   * did not arrive, which is said, unless who reads a pipe has closed it and so has enough.
   */
  int status(int status, PrintWriter err) {
    writer.flush();
    if (failure == null) {
      return status;
    }
    boolean pipe = isPipe();
    if (!pipe) {
      err.println(
          "nepenthe: standard output: expected a place that can be written, found "
              + failure.getMessage());
    }
    return status != 0 ? status : pipe ? BROKEN_PIPE : 1;
  }

  private static boolean isPipe() {
    try {
      return Files.readSymbolicLink(WHERE).toString().startsWith("pipe:");
    } catch (IOException e) {
      return false;
    }
  }
}
