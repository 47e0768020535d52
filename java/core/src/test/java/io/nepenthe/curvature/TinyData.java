package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.ImageShape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Random images with random labels; sample i depends on the seed and i only. */
public record TinyData(long size, ImageShape image, int classes, long seed, long firstId)
    implements Dataset {
  @Override
  public String name() {
    return "tiny";
  }

  @Override
  public List<String> classNames() {
    return IntStream.range(0, classes).mapToObj(Integer::toString).toList();
  }

  @Override
  public int label(long index) {
    return new SplittableRandom(seed ^ (firstId + index) * 31).nextInt(classes);
  }

  @Override
  public long id(long index) {
    return firstId + index;
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    SplittableRandom random = new SplittableRandom(seed + (firstId + index) * 1000);
    for (long i = 0; i < image.floats(); i++) {
      out.setAtIndex(ValueLayout.JAVA_FLOAT, floatOffset + i, random.nextFloat());
    }
  }

  /** The samples [from, to) of this. */
  public TinyData part(long from, long to) {
    return new TinyData(to - from, image, classes, seed, firstId + from);
  }
}
