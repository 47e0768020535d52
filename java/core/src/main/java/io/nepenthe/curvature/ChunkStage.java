package io.nepenthe.curvature;

import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import java.nio.file.Path;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * A stage that passes over samples, chunk by chunk: all chunks into one file, or, as one of several
 * partitions, each of its chunks into a file of its own.
 *
 * @param name of the stage, and of its files
 * @param identity metadata of everything that its result depends on
 * @param options where and which part
 * @param chunks how the samples are cut
 */
record ChunkStage(
    String name,
    SequencedMap<String, String> identity,
    StageOptions options,
    Chunks chunks,
    StageListener listener) {
  static final String CHUNK = "chunk";
  static final String MERGE = "merge";

  /** What is computed. */
  interface Work extends AutoCloseable {
    /** Begins anew, for the samples from a position up to another. */
    void begin(long from, long to);

    /** What a checkpoint saves. */
    Checkpoint.State state();

    /** Passes over samples, none of them in two chunks. */
    void add(long from, long to, Positions positions);

    /** A chunk is complete. */
    void fold();

    /** How {@link StageMerge} puts the chunks together: sum or concatenate. */
    String merge();

    /** The file's tensors. */
    SequencedMap<String, SafetensorsPart> parts();

    @Override
    void close();
  }

  /** Hears of positions that a run can go on from. */
  interface Positions {
    void at(long position);
  }

  /** Opens the work when there is any. */
  interface Opening {
    Work open();
  }

  private StageFolder folder() {
    return new StageFolder(options.folder());
  }

  /**
   * Computes what is missing.
   *
   * @return whether the whole stage's file is there
   * @throws IllegalArgumentException if there are more partitions than chunks
   */
  boolean run(int batchSize, Opening opening) {
    Path whole = folder().whole(name);
    if (skip(whole, identity)) {
      return true;
    }
    int count = chunks.count();
    if (options.partitions() > count) {
      throw new IllegalArgumentException(
          "%d samples have at most %d partitions, found %d"
              .formatted(chunks.samples(), count, options.partitions()));
    }
    try (Lazy work = new Lazy(opening)) {
      if (!options.partitioned()) {
        file(whole, identity, 0, count, batchSize, work);
        return true;
      }
      int first = chunks.firstOf(options.partition() - 1, options.partitions());
      int end = chunks.firstOf(options.partition(), options.partitions());
      for (int chunk = first; chunk < end; chunk++) {
        Map<String, String> metadata = new TreeMap<>(identity);
        metadata.put(CHUNK, (chunk + 1) + " of " + count);
        Path piece = folder().piece(name, chunk, count);
        if (!skip(piece, metadata)) {
          file(piece, metadata, chunk, chunk + 1, batchSize, work);
        }
      }
      return false;
    }
  }

  private boolean skip(Path file, Map<String, String> metadata) {
    if (!StageFolder.isThere(file, metadata)) {
      return false;
    }
    // One may be left by a run that ended between the two.
    StageFolder.delete(StageFolder.checkpoint(file));
    listener.skipped(file);
    return true;
  }

  private void file(
      Path file, Map<String, String> metadata, int first, int end, int batchSize, Lazy lazy) {
    Work work = lazy.get();
    Map<String, String> state = new TreeMap<>(metadata);
    state.put("batch_size", Integer.toString(batchSize));
    state.put("checkpoint_of", file.getFileName().toString());
    work.begin(chunks.first(first), chunks.end(end - 1));
    Checkpoint checkpoint =
        new Checkpoint(
            StageFolder.checkpoint(file), state, work.state(), options.checkpointEvery());
    long at = checkpoint.restore(chunks.first(first), chunks.end(end - 1), options.resume());
    listener.progress(name, at, chunks.samples());
    for (int chunk = first; chunk < end; chunk++) {
      long from = Math.max(at, chunks.first(chunk));
      long to = chunks.end(chunk);
      if (from < to) {
        work.add(
            from,
            to,
            position -> {
              listener.progress(name, position, chunks.samples());
              if (position < to) {
                checkpoint.offer(position);
              }
            });
        work.fold();
        if (chunk < end - 1) {
          checkpoint.offer(to);
        }
      }
    }
    Map<String, String> written = new TreeMap<>(metadata);
    written.put(MERGE, work.merge());
    SafetensorsFile.write(file, written, work.parts());
    checkpoint.delete();
    listener.wrote(file);
  }

  /** Work that is opened at its first use. */
  private static final class Lazy implements AutoCloseable {
    private final Opening opening;
    private Work work;

    Lazy(Opening opening) {
      this.opening = opening;
    }

    Work get() {
      if (work == null) {
        work = opening.open();
      }
      return work;
    }

    @Override
    public void close() {
      if (work != null) {
        work.close();
      }
    }
  }
}
