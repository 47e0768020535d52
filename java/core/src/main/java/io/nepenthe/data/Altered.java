package io.nepenthe.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;

/** A view of a data set in which some images bear a patch and some labels are others. */
final class Altered implements Dataset {
  /** A square of one value, rows and columns from (row, column) on; side 0 for none. */
  record Patch(BadNets.Corner corner, int side, float value) {
    static final Patch NONE = new Patch(BadNets.Corner.TOP_LEFT, 0, 0);

    static Patch of(BadNets attack) {
      return new Patch(attack.corner(), attack.patch(), attack.value());
    }

    void draw(ImageShape image, MemorySegment out, long floatOffset) {
      int height = Math.min(side, image.height());
      int width = Math.min(side, image.width());
      boolean bottom =
          corner == BadNets.Corner.BOTTOM_LEFT || corner == BadNets.Corner.BOTTOM_RIGHT;
      boolean right = corner == BadNets.Corner.TOP_RIGHT || corner == BadNets.Corner.BOTTOM_RIGHT;
      int row = bottom ? image.height() - height : 0;
      int column = right ? image.width() - width : 0;
      for (int y = row; y < row + height; y++) {
        long first = floatOffset + ((long) y * image.width() + column) * image.channels();
        for (long i = first; i < first + (long) width * image.channels(); i++) {
          out.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        }
      }
    }
  }

  private final Dataset base;
  private final boolean all;
  private final long[] positions;
  private final int[] labels;
  private final Patch patch;

  private Altered(Dataset base, boolean all, long[] positions, int[] labels, Patch patch) {
    this.base = base;
    this.all = all;
    this.positions = positions;
    this.labels = labels;
    this.patch = patch;
  }

  /** The samples at {@code positions}, ascending, get the patch and these labels. */
  Altered(Dataset base, long[] positions, int[] labels, Patch patch) {
    this(base, false, positions, labels, patch);
  }

  /** Every sample gets the patch and keeps its label. */
  static Altered everywhere(Dataset base, Patch patch) {
    return new Altered(base, true, new long[0], new int[0], patch);
  }

  /** The same images with the labels of the base. */
  Altered withCleanLabels() {
    return new Altered(base, all, positions, new int[0], patch);
  }

  /** The positions of the altered samples, ascending. */
  long[] positions() {
    return positions;
  }

  @Override
  public String name() {
    return base.name();
  }

  @Override
  public long size() {
    return base.size();
  }

  @Override
  public ImageShape image() {
    return base.image();
  }

  @Override
  public int classes() {
    return base.classes();
  }

  @Override
  public List<String> classNames() {
    return base.classNames();
  }

  @Override
  public int label(long index) {
    int place = labels.length == 0 ? -1 : Arrays.binarySearch(positions, index);
    return place >= 0 ? labels[place] : base.label(index);
  }

  @Override
  public long id(long index) {
    return base.id(index);
  }

  @Override
  public void pixels(long index, MemorySegment out, long floatOffset) {
    base.pixels(index, out, floatOffset);
    if (patched(index)) {
      patch.draw(base.image(), out, floatOffset);
    }
  }

  @Override
  public boolean bytes(long index, MemorySegment out, long offset) {
    return !patched(index) && base.bytes(index, out, offset);
  }

  private boolean patched(long index) {
    return patch.side() > 0 && (all || Arrays.binarySearch(positions, index) >= 0);
  }
}
