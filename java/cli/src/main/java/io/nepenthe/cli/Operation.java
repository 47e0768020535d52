package io.nepenthe.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** A command that does something: the common options around one method. */
abstract class Operation implements Callable<Integer> {
  @Mixin CommonOptions common;
  @Spec CommandSpec spec;

  /** Does the work; anything thrown is a failure. */
  abstract void run(Run run);

  @Override
  public final Integer call() {
    try (Run run = new Run(spec, common)) {
      run(run);
      run.finish();
      return run.exitCode();
    } catch (OutOfMemoryError e) {
      // A size that a user asked for, not a broken machine: whatever held memory is closed by now.
      throw new CommandException(
          "out of memory ("
              + e.getMessage()
              + "); smaller sizes or batches need less, and"
              + " NEPENTHE_JVM_OPTIONS='-Xmx… -XX:MaxDirectMemorySize=…' allows more",
          e);
    } catch (Error e) {
      // Exceptions alone are worded further on.
      throw new CommandException(Failures.message(e), e);
    }
  }
}
