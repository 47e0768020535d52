package io.nepenthe.cli;

import io.nepenthe.curvature.StageListener;
import java.nio.file.Path;

/** Shows how far a pipeline has come: a bar for each stage, a line for each file. */
final class StageProgress implements StageListener {
  private final Run run;
  private String current = "";

  StageProgress(Run run) {
    this.run = run;
  }

  @Override
  public void skipped(Path file) {
    run.say("%s is there: skipped", file);
  }

  @Override
  public void wrote(Path file) {
    run.progress().finish();
    run.result().output(file);
    run.say("%s", file);
    current = "";
  }

  @Override
  public void progress(String stage, long done, long total) {
    if (!stage.equals(current)) {
      current = stage;
      run.progress().start(stage, total, total == 1 ? "steps" : "images");
    }
    run.progress().to(done);
  }
}
