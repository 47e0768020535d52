package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Labelled images of one shape, addressed by a 64-bit index. A data set does not change once made,
 * so any number of threads may read it. Views (subsets, shuffles, manipulations) read through to
 * what they were made from and copy no pixels.
 *
 * <p>Every {@code index} below runs from 0 to {@link #size()} − 1; another one throws {@link
 * IndexOutOfBoundsException}.
 */
public interface Dataset {
  /** Where it came from, for messages and reports. */
  String name();

  /** The number of images; may be 0. */
  long size();

  /** The shape of every image. */
  ImageShape image();

  /** The number of classes; labels run from 0 to one less. */
  int classes();

  /** One name a class, in the order of the labels; unmodifiable. */
  List<String> classNames();

  /** The class of an image. */
  int label(long index);

  /**
   * The image's position in the source that it was first read from. Subsets, shuffles and
   * manipulations keep it, so it names an example for good; it is unique within a data set.
   */
  long id(long index);

  /**
   * Writes an image as float32 in [0, 1], channels last.
   *
   * @param index which image
   * @param out where to write; native byte order, aligned for float, owned by the caller
   * @param floatOffset where in {@code out} the first value goes, counted in floats; {@code
   *     image().floats()} values are written and nothing else is touched
   * @throws IndexOutOfBoundsException if there is no such image or no such room
   */
  void pixels(long index, MemorySegment out, long floatOffset);

  /**
   * Writes an image as bytes, channels last, if bytes are what it has: 0…255 for the values b / 255
   * of {@link #pixels}, to the bit.
   *
   * @param out where to write, owned by the caller
   * @param offset where in {@code out} the first byte goes; {@code image().floats()} bytes are
   *     written and nothing else is touched
   * @return whether they were; if not, nothing is written, and {@link #pixels} is the way
   * @throws IndexOutOfBoundsException if there is no such image or no such room
   */
  default boolean bytes(long index, MemorySegment out, long offset) {
    return false;
  }
}
