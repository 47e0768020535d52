package io.nepenthe.cli;

import io.nepenthe.unlearn.Listener;

/** Shows how far a method has come: each of its phases is a bar. */
final class Phases implements Listener {
  private final ProgressBar bar;
  private String current = "";

  Phases(ProgressBar bar) {
    this.bar = bar;
  }

  @Override
  public void report(String phase, long done, long total) {
    if (!phase.equals(current)) {
      current = phase;
      bar.start(phase, total, "samples");
    }
    bar.to(done);
  }
}
