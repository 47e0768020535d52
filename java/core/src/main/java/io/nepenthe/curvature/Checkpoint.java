package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * The state of a stage that is not complete, in a file of its own: every value as it is, so that a
 * run which goes on from it ends with the same bits.
 */
final class Checkpoint {
  private static final String POSITION = "checkpoint_position";

  private final Path file;
  private final Map<String, String> identity;
  private final State state;
  private final Duration every;
  private long last = System.nanoTime();

  /** What is saved. */
  interface State {
    SequencedMap<String, SafetensorsPart> parts();

    void restore(SafetensorsFile from);
  }

  /**
   * A checkpoint that need not be there.
   *
   * @param identity what must agree with the run that goes on, the batch size included
   * @param state what is saved
   * @param every how often
   */
  Checkpoint(Path file, Map<String, String> identity, State state, Duration every) {
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
    SafetensorsFile.write(file, metadata, state.parts());
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
      state.restore(open);
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

  /** The file is complete: its state is not needed any more. */
  void delete() {
    StageFolder.delete(file);
  }
}
