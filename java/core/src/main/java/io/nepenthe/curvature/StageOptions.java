package io.nepenthe.curvature;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Where a pipeline keeps its files, and which part of it this run computes; none of it changes what
 * is computed.
 *
 * @param folder of the files; made when the first is written
 * @param partition which of the partitions, counted from 1
 * @param partitions how many runs share a pass over the data; 1 for a run that does all of it
 * @param checkpointEvery how often the state of an unfinished file is saved
 * @param resume whether a run goes on from a checkpoint that it finds
 */
public record StageOptions(
    Path folder, int partition, int partitions, Duration checkpointEvery, boolean resume) {
  /** Checks the numbers. */
  public StageOptions {
    if (partition < 1 || partition > partitions) {
      throw new IllegalArgumentException(
          "a partition is one of 1/n to n/n, found " + partition + "/" + partitions);
    }
    if (checkpointEvery.isNegative()) {
      throw new IllegalArgumentException("checkpoints are 0 seconds apart or more");
    }
  }

  /** All of it, with a checkpoint every minute, going on from one that is there. */
  public static StageOptions in(Path folder) {
    return new StageOptions(folder, 1, 1, Duration.ofMinutes(1), true);
  }

  /** The same with another partition. */
  public StageOptions withPartition(int number, int of) {
    return new StageOptions(folder, number, of, checkpointEvery, resume);
  }

  /** The same in another folder. */
  public StageOptions withFolder(Path other) {
    return new StageOptions(other, partition, partitions, checkpointEvery, resume);
  }

  /** Whether others compute parts as well. */
  boolean partitioned() {
    return partitions > 1;
  }
}
