package io.nepenthe.cli;

import io.nepenthe.data.DataException;
import io.nepenthe.kernel.NativeException;
import io.nepenthe.onnx.OnnxException;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** Words a command's failure in one line; {@code --stacktrace} adds where it came from. */
final class Failures {
  private Failures() {}

  static int report(Exception failure, CommandLine command, ParseResult parsed) {
    if (!isEnding()) {
      String name = command.getCommandSpec().qualifiedName();
      command.getErr().println(oneLine(name + ": " + message(failure)));
    }
    if (parsed.hasMatchedOption("--stacktrace")) {
      failure.printStackTrace(command.getErr());
    }
    command.getErr().flush();
    return command.getCommandSpec().exitCodeOnExecutionException();
  }

  /**
   * Whether the process was asked to end, by Ctrl-C for instance: what still runs then fails where
   * a file is already deleted, and there is nothing to say about it.
   */
  private static boolean isEnding() {
    Thread probe = new Thread(() -> {});
    try {
      Runtime.getRuntime().addShutdownHook(probe);
      Runtime.getRuntime().removeShutdownHook(probe);
      return false;
    } catch (IllegalStateException e) {
      return true;
    }
  }

  static String message(Throwable failure) {
    return switch (failure) {
      case CommandException e -> e.getMessage();
      case DataException e -> e.getMessage();
      case NativeException e -> e.getMessage();
      case OnnxException e -> e.getMessage();
      case IllegalArgumentException e when e.getMessage() != null -> e.getMessage();
      default ->
          "this should not have happened: "
              + failure
              + " (--stacktrace shows where; please report)";
    };
  }

  /** The text on one line: its lines joined, other control characters made visible. */
  static String oneLine(String text) {
    return text.strip().replaceAll("\\s*\\R\\s*", "; ").replaceAll("\\p{Cntrl}", "?");
  }
}
