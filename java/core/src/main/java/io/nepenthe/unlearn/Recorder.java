package io.nepenthe.unlearn;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Supplier;

/** Collects a {@link Trace} while a method works. */
final class Recorder {
  private final SequencedMap<String, Double> seconds = new LinkedHashMap<>();
  private final List<Trace.Epoch> epochs = new ArrayList<>();
  private final SequencedMap<String, Double> figures = new LinkedHashMap<>();

  /** Runs a phase; the same phase again adds to its time. */
  <T> T phase(String name, Supplier<T> work) {
    long start = System.nanoTime();
    try {
      return work.get();
    } finally {
      seconds.merge(name, (System.nanoTime() - start) * 1e-9, Double::sum);
    }
  }

  void phase(String name, Runnable work) {
    phase(
        name,
        () -> {
          work.run();
          return 0;
        });
  }

  void epoch(String over, int epoch, double loss) {
    epochs.add(new Trace.Epoch(over, epoch, loss));
  }

  void figure(String name, double value) {
    figures.put(name, value);
  }

  /** Puts another method's trace before what follows. */
  void include(Trace other) {
    other.seconds().forEach((name, time) -> seconds.merge(name, time, Double::sum));
    epochs.addAll(other.epochs());
    figures.putAll(other.figures());
  }

  Trace trace() {
    return new Trace(seconds, epochs, figures);
  }
}
