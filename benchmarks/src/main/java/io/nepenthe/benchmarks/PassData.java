package io.nepenthe.benchmarks;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The batch of whole-pass benchmarks as a data set, for those that read one.
 *
 * @param values standard normal images
 * @param image their shape
 * @param classNames one name a class
 */
record PassData(Tensor values, ImageShape image, List<String> classNames) implements Dataset {
  static PassData of(Tensor values, Model model) {
    Extent extent = model.network().input();
    return new PassData(
        values,
        new ImageShape((int) extent.height(), (int) extent.width(), (int) extent.channels()),
        IntStream.range(0, Passes.CLASSES).mapToObj(Integer::toString).toList());
  }

  /** Pixels as they are. */
  Normalisation normalisation() {
    return Normalisation.identity(image.channels());
  }

  @Override
  public String name() {
    return "normal";
  }

  @Override
  public long size() {
    return values.shape().size(0);
  }

  @Override
  public int classes() {
    return classNames.size();
  }

  @Override
  public int label(long index) {
    return Passes.label((int) index);
  }

  @Override
  public long id(long index) {
    return index;
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    MemorySegment.copy(
        values.segment(),
        index * image.floats() * Float.BYTES,
        out,
        floatOffset * Float.BYTES,
        image.floats() * Float.BYTES);
  }
}
