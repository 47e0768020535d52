package io.nepenthe.curvature;

import java.nio.file.Path;

/** Hears how far a pipeline has come. */
public interface StageListener {
  /** A file is there already and is left as it is. */
  void skipped(Path file);

  /** A file was written. */
  void wrote(Path file);

  /**
   * Work on a stage.
   *
   * @param done samples, with those of an earlier run that is resumed
   * @param total samples of the stage
   */
  void progress(String stage, long done, long total);
}
