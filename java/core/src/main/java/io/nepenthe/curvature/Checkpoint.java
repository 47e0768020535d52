package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * The state of sums that are not complete, in a file of its own: every plane as it is, so that a
 * run which goes on from it ends with the same bits.
 */
final class Checkpoint {
  private static final String POSITION = "checkpoint_position";

  private final Path file;
  private final Map<String, String> identity;
  private final SequencedMap<String, ChunkedSum> state;
  private final Duration every;
  private long last = System.nanoTime();

  /**
   * A checkpoint that need not be there.
   *
   * @param identity what must agree with the run that goes on, the batch size included
   * @param state what is saved
   * @param every how often
   */
  Checkpoint(
      Path file,
      Map<String, String> identity,
      SequencedMap<String, ChunkedSum> state,
      Duration every) {
    this.file = file;
    this.identity = identity;
    this.state = state;
    this.every = every;
  }

  /** Saves the state if it is time. */
  void offer(long position) {
    if (System.nanoTime() - last >= every.toNanos()) {
      write(position);
      last = System.nanoTime();
    }
  }

  private void write(long position) {
    Map<String, String> metadata = new TreeMap<>(identity);
    metadata.put(POSITION, Long.toString(position));
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    state.forEach(
        (name, sum) -> {
          parts.put(name + ".total", SafetensorsPart.doubles(sum.shape(), sum.total()));
          parts.put(name + ".sum", SafetensorsPart.of(sum.current().sum()));
          parts.put(name + ".rest", SafetensorsPart.of(sum.current().rest()));
          parts.put(
              name + ".counts", SafetensorsPart.integers(sum.current().count(), sum.processed()));
        });
    SafetensorsFile.write(file, metadata, parts);
  }

  /**
   * Takes the state from the file.
   *
   * @param from the first position that it can be at
   * @param to the last
   * @param resume whether that is wanted
   * @return the position to go on from: {@code from} if there is no file
   * @throws DataException if there is one that is not wanted, damaged, or of another run
   */
  long restore(long from, long to, boolean resume) {
    if (!Files.exists(file)) {
      return from;
    }
    try (SafetensorsFile open = SafetensorsFile.open(file)) {
      long position = position(open, from, to);
      if (!resume) {
        throw new DataException(
            file.toString(),
            "no checkpoint unless a run is resumed (or delete it to begin anew)",
            "one at sample " + position);
      }
      StageFolder.require(file, open.metadata(), identity);
      state.forEach((name, sum) -> restore(open, name, sum));
      return position;
    }
  }

  private long position(SafetensorsFile open, long from, long to) {
    String text = open.metadata().getOrDefault(POSITION, "none");
    if (text.matches("[0-9]{1,18}")) {
      long position = Long.parseLong(text);
      if (position >= from && position <= to) {
        return position;
      }
    }
    throw new DataException(
        file.toString(), POSITION + " from " + from + " to " + to + " in its metadata", text);
  }

  private static void restore(SafetensorsFile open, String name, ChunkedSum sum) {
    try (Arena arena = Arena.ofConfined()) {
      sum.total().copyFrom(open.doubles(name + ".total", sum.shape(), arena));
      copy(open, name + ".sum", sum.current().sum(), arena);
      copy(open, name + ".rest", sum.current().rest(), arena);
    }
    long[] counts = open.integers(name + ".counts", 2);
    sum.resume(counts[0], counts[1]);
  }

  private static void copy(SafetensorsFile open, String name, Tensor to, Arena arena) {
    to.copyFrom(open.tensor(name, to.shape(), arena));
  }

  /** The file is complete: its state is not needed any more. */
  void delete() {
    StageFolder.delete(file);
  }
}
