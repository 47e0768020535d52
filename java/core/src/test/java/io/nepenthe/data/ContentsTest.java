package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

/** The same images are found under other ids and labels, and in another form. */
class ContentsTest {
  private static final Dataset DATA =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 60, 1);

  @Test
  void countsTheImagesThatAreAmongTheOthersToo() {
    Contents some = Contents.of(Subset.range(DATA, 0, 19));
    assertEquals(20, some.in(some));
    assertEquals(5, some.in(Contents.of(Subset.range(DATA, 15, 59))));
    assertEquals(0, some.in(Contents.of(Subset.range(DATA, 20, 59))));
    Dataset moved =
        Datasets.concatenate(
            "moved", List.of(Subset.range(DATA, 30, 39), Subset.range(DATA, 0, 2)));
    assertEquals(3, some.in(Contents.of(Datasets.shuffled(moved, 1))), "under other ids");
    assertEquals(2, Contents.of(Subset.drawn(DATA, new long[] {3, 3, 50})).in(some), "each counts");
    assertEquals(0, some.in(Contents.of(Subset.of(DATA, new long[0]))));
  }

  @Test
  void aLabelIsNoPartOfAnImageAndASquareIs() {
    Dataset relabelled = LabelNoise.of(1).apply(DATA, 1, 1).dataset();
    assertEquals(60, Contents.of(relabelled).in(Contents.of(DATA)));
    Dataset marked = BadNets.of(0, Amount.count(1)).triggered(DATA);
    assertEquals(0, Contents.of(marked).in(Contents.of(DATA)));
  }
}
