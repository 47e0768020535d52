package io.nepenthe.detect;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Images that were computed, held in memory, with ids from 0. */
record HeldImages(
    String name, ImageShape image, List<String> classNames, List<float[]> pixels, int[] labels)
    implements Dataset {
  /** One image of a data set. */
  static float[] pixels(Dataset dataset, long index) {
    float[] pixels = new float[Math.toIntExact(dataset.image().floats())];
    dataset.pixels(index, MemorySegment.ofArray(pixels), 0);
    return pixels;
  }

  @Override
  public long size() {
    return labels.length;
  }

  @Override
  public int classes() {
    return classNames.size();
  }

  @Override
  public int label(long index) {
    return labels[Math.toIntExact(index)];
  }

  @Override
  public long id(long index) {
    return index;
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    float[] from = pixels.get(Math.toIntExact(index));
    MemorySegment.copy(
        from, 0, out, ValueLayout.JAVA_FLOAT, floatOffset * Float.BYTES, from.length);
  }
}
