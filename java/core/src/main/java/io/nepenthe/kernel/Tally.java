package io.nepenthe.kernel;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The sum of samples' losses, and how many were hits: samples whose largest output, the first of
 * equal ones, is their label's. On a device every sample's stay where they were computed, so that
 * nobody waits for a batch's, and come to the host when a sum is asked for or their room is full.
 * Losses are added in float64 in the order of the samples, on the host each batch for itself first.
 */
public final class Tally {
  /** Samples of 12 bytes: an epoch of most data sets. */
  private static final int ROOM = 1 << 16;

  /** As many float64 as there is room for, and behind them as many int32, in float32's places. */
  private final Tensor bits;

  private final int room;
  private int waiting;
  private double loss;
  private long hits;

  /** With so much room on a device; 0 for sums of the host. */
  Tally(Arena arena, Backend backend, int room) {
    this.bits = backend.zeros(arena, Shape.of((Double.BYTES / Float.BYTES + 1L) * room));
    this.room = room;
  }

  /**
   * Sums of 0.
   *
   * @param arena of what it takes of the backend's memory
   * @param maxBatch the most samples that are added at once
   */
  public static Tally zero(Arena arena, Backend backend, int maxBatch) {
    boolean host = backend.device() instanceof Device.Cpu;
    return new Tally(arena, backend, host ? 0 : Math.max(maxBatch, ROOM));
  }

  /** Starts anew. */
  public void clear() {
    waiting = 0;
    loss = 0;
    hits = 0;
  }

  /** The sum of the losses since it was cleared; waits for a device to have computed them. */
  public double loss() {
    bring();
    return loss;
  }

  /** The hits since it was cleared; waits for a device, too. */
  public long hits() {
    bring();
    return hits;
  }

  /** Adds a batch of the host: the arrays' first entries. */
  void add(double[] losses, boolean[] hit, int samples) {
    bring();
    loss += Losses.sum(losses, samples);
    for (int n = 0; n < samples; n++) {
      hits += hit[n] ? 1 : 0;
    }
  }

  /** Where a device's losses and hits lie. */
  Tensor bits() {
    return bits;
  }

  /** Makes room on the device for so many more samples. */
  void makeRoom(int samples) {
    if (samples > room) {
      throw new IllegalArgumentException("a batch of " + samples + " with room for " + room);
    }
    if (waiting + samples > room) {
      bring();
    }
  }

  /** The byte of {@link #bits} from which the next samples' losses go, 8 bytes each. */
  long lossesAt() {
    return (long) waiting * Double.BYTES;
  }

  /** The byte from which their hits go, 4 bytes each: not 0 where they are. */
  long hitsAt() {
    return (long) room * Double.BYTES + (long) waiting * Integer.BYTES;
  }

  /** The device was told to write so many more. */
  void written(int samples) {
    waiting += samples;
  }

  private void bring() {
    if (waiting == 0) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      long each = Double.BYTES / Float.BYTES;
      MemorySegment losses = copy(arena, 0, each * waiting);
      MemorySegment hit = copy(arena, each * room, waiting);
      for (int n = 0; n < waiting; n++) {
        loss += losses.getAtIndex(ValueLayout.JAVA_DOUBLE, n);
        hits += hit.getAtIndex(ValueLayout.JAVA_INT, n) != 0 ? 1 : 0;
      }
    }
    waiting = 0;
  }

  private MemorySegment copy(Arena arena, long first, long count) {
    Tensor copy = Tensor.zeros(arena, count);
    copy.copyFrom(bits.slice(first, copy.shape()));
    return copy.segment();
  }
}
