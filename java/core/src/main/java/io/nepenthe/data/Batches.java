package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * A data set cut into batches. The order is the data set's own or a shuffle fixed by (seed, epoch);
 * any batch can be filled at any time, by any thread, with the same result. Filling allocates
 * nothing.
 */
public final class Batches {
  private final Dataset dataset;
  private final int batchSize;
  private final boolean shuffle;
  private final long seed;
  private final MemorySegment order;

  /** Of the last normalisation. */
  private volatile Values values;

  private record Values(Normalisation of, float[] values) {
    static Values of(Normalisation normalisation) {
      return new Values(normalisation, normalisation.ofBytes());
    }
  }

  private Batches(Dataset dataset, int batchSize, boolean shuffle, long seed, long epoch) {
    if (batchSize < 1) {
      throw new IllegalArgumentException("batch size must be positive: " + batchSize);
    }
    this.dataset = dataset;
    this.batchSize = (int) Math.min(batchSize, Math.max(1, dataset.size()));
    this.shuffle = shuffle;
    this.seed = seed;
    this.values = Values.of(Normalisation.identity(dataset.image().channels()));
    this.order =
        shuffle
            ? Memory.permutation(dataset.name(), dataset.size(), new Random64(seed, epoch))
            : MemorySegment.NULL;
  }

  /**
   * Batches in the order of the data set.
   *
   * @param dataset what to cut
   * @param batchSize images a batch; the last one may be smaller
   * @return the batches
   */
  public static Batches inOrder(Dataset dataset, int batchSize) {
    return new Batches(dataset, batchSize, false, 0, 0);
  }

  /**
   * Batches in an order drawn uniformly from all orders by (seed, epoch). It takes 8 bytes an
   * image.
   *
   * @param dataset what to cut
   * @param batchSize images a batch; the last one may be smaller
   * @param seed any number
   * @param epoch any number
   * @return the batches
   */
  public static Batches shuffled(Dataset dataset, int batchSize, long seed, long epoch) {
    return new Batches(dataset, batchSize, true, seed, epoch);
  }

  /**
   * The same data set, size and seed in another epoch.
   *
   * @param epoch any number
   * @return its batches; these ones where they are not shuffled
   */
  public Batches withEpoch(long epoch) {
    return shuffle ? new Batches(dataset, batchSize, true, seed, epoch) : this;
  }

  /** What is cut. */
  public Dataset dataset() {
    return dataset;
  }

  /**
   * Images in every batch but perhaps the last: what was asked for, or the whole data set where
   * that is less. Who plans memory for a batch plans for this.
   */
  public int batchSize() {
    return batchSize;
  }

  /** The number of batches. */
  public long count() {
    return Math.ceilDiv(dataset.size(), batchSize);
  }

  /**
   * Fills one batch: {@code n} images as N·H·W·C, their labels and their ids.
   *
   * @param batch which, from 0 to {@link #count()} − 1
   * @param pixels room for {@code n · image().floats()} floats, from its start
   * @param labels room for {@code n}
   * @param ids room for {@code n}
   * @param normalisation applied to the pixels
   * @return {@code n}: the batch size, less in the last batch; nothing beyond it is touched
   * @throws IndexOutOfBoundsException if there is no such batch
   * @throws IllegalArgumentException if there is too little room, or the normalisation is for
   *     another number of channels
   */
  public int fill(
      long batch, MemorySegment pixels, int[] labels, long[] ids, Normalisation normalisation) {
    if (normalisation.channels() != dataset.image().channels()) {
      throw new IllegalArgumentException(
          "a normalisation of "
              + normalisation.channels()
              + " channels for images of "
              + dataset.image());
    }
    int n = size(batch);
    long each = dataset.image().floats();
    requireRoom(n, pixels.byteSize() / 4 / each, labels, ids);
    float[] values = ofBytes(normalisation);
    for (int i = 0; i < n; i++) {
      long index = name(batch, i, labels, ids);
      long at = i * each;
      // An image's bytes lie in the last quarter of its own room until they are read.
      long bytes = (at + each) * 4 - each;
      if (dataset.bytes(index, pixels, bytes)) {
        expand(pixels, at, bytes, values);
      } else {
        dataset.pixels(index, pixels, at);
        normalisation.apply(pixels, at, each);
      }
    }
    return n;
  }

  private void expand(MemorySegment pixels, long at, long bytes, float[] values) {
    int channels = dataset.image().channels();
    long each = dataset.image().floats();
    for (long i = 0; i < each; i += channels) {
      for (int c = 0; c < channels; c++) {
        int value = pixels.get(ValueLayout.JAVA_BYTE, bytes + i + c) & 0xff;
        pixels.setAtIndex(
            ValueLayout.JAVA_FLOAT, at + i + c, values[c * Normalisation.UNIT.length + value]);
      }
    }
  }

  /**
   * {@link Normalisation#ofBytes}, kept for the next batch.
   *
   * @return not to be changed
   */
  public float[] ofBytes(Normalisation normalisation) {
    Values last = values;
    if (!last.of.equals(normalisation)) {
      last = Values.of(normalisation);
      values = last;
    }
    return last.values;
  }

  /**
   * Fills one batch with the bytes of its images.
   *
   * @param bytes room for {@code n · image().floats()} bytes, from its start
   * @return whether all its images are of bytes; if not, what is written means nothing
   * @see Dataset#bytes
   * @see Normalisation#ofBytes
   */
  public boolean fillBytes(long batch, MemorySegment bytes, int[] labels, long[] ids) {
    int n = size(batch);
    long each = dataset.image().floats();
    requireRoom(n, bytes.byteSize() / each, labels, ids);
    for (int i = 0; i < n; i++) {
      if (!dataset.bytes(name(batch, i, labels, ids), bytes, i * each)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Fills one batch with the pixels as they are, in [0, 1].
   *
   * @param batch which, from 0 to {@link #count()} − 1
   * @param pixels room for {@code n · image().floats()} floats, from its start
   * @param labels room for {@code n}
   * @param ids room for {@code n}
   * @return {@code n}: the batch size, less in the last batch; nothing beyond it is touched
   * @throws IndexOutOfBoundsException if there is no such batch
   * @throws IllegalArgumentException if there is too little room
   */
  public int fill(long batch, MemorySegment pixels, int[] labels, long[] ids) {
    int n = size(batch);
    long each = dataset.image().floats();
    requireRoom(n, pixels.byteSize() / 4 / each, labels, ids);
    for (int i = 0; i < n; i++) {
      dataset.pixels(name(batch, i, labels, ids), pixels, i * each);
    }
    return n;
  }

  /**
   * The number of images of a batch.
   *
   * @throws IndexOutOfBoundsException if there is no such batch
   */
  public int size(long batch) {
    long first = Objects.checkIndex(batch, count()) * batchSize;
    return (int) Math.min(batchSize, dataset.size() - first);
  }

  /** Writes label and id of the i-th image of a batch; gives its index in the data set. */
  private long name(long batch, int i, int[] labels, long[] ids) {
    long place = batch * batchSize + i;
    long index = shuffle ? order.getAtIndex(ValueLayout.JAVA_LONG, place) : place;
    labels[i] = dataset.label(index);
    ids[i] = dataset.id(index);
    return index;
  }

  private void requireRoom(int n, long images, int[] labels, long[] ids) {
    if (images < n || labels.length < n || ids.length < n) {
      throw new IllegalArgumentException(
          "a batch of %d images, labels and ids; there is room for %d, %d and %d"
              .formatted(n, images, labels.length, ids.length));
    }
  }
}
