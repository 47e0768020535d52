package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What padding adds and how its gradient comes back, value by value. */
class PadTest {
  private static final int HEIGHT = 3;
  private static final int WIDTH = 4;

  /** What is around a row a b c d, as the definitions write it: column −4 to column 7. */
  private static int column(Padding.Mode mode, int at) {
    String line =
        switch (mode) {
          case CONSTANT -> "....abcd....";
          case REFLECT -> "?dcbabcdcba?";
          case REPLICATE -> "aaaaabcddddd";
          case CIRCULAR -> "abcdabcdabcd";
        };
    char found = line.charAt(at + WIDTH);
    assertTrue(found != '?', "a reflection reaches less far");
    return found == '.' ? -1 : found - 'a';
  }

  private static int row(Padding.Mode mode, int at) {
    String line =
        switch (mode) {
          case CONSTANT -> "...abc...";
          case REFLECT -> "?cbabcba?";
          case REPLICATE -> "aaaabcccc";
          case CIRCULAR -> "abcabcabc";
        };
    char found = line.charAt(at + HEIGHT);
    assertTrue(found != '?', "a reflection reaches less far");
    return found == '.' ? -1 : found - 'a';
  }

  @ParameterizedTest
  @EnumSource
  void agreesWithTheDefinition(Padding.Mode mode) {
    int less = mode == Padding.Mode.REFLECT ? 1 : 0;
    float value = mode == Padding.Mode.CONSTANT ? -2.5f : 0;
    Padding[] paddings = {
      Padding.of(0, mode),
      new Padding(1, 0, 0, 2, mode, value),
      new Padding(0, 1, 2, 0, mode, value),
      new Padding(HEIGHT - less, WIDTH - less, HEIGHT - less, WIDTH - less, mode, value)
    };
    SplittableRandom random = new SplittableRandom(4);
    for (Padding padding : paddings) {
      // The last is large enough for two threads.
      for (long[] size : new long[][] {{1, 1}, {2, 3}, {3, 8}, {2, 17}, {40, 80}}) {
        try (Arena arena = Arena.ofConfined();
            Backend backend = Device.cpu(2).open()) {
          long height = padding.outputHeight(HEIGHT);
          long width = padding.outputWidth(WIDTH);
          Tensor x = Tensor.zeros(arena, Shape.of(size[0], HEIGHT, WIDTH, size[1]));
          Tensor y = Tensor.zeros(arena, Shape.of(size[0], height, width, size[1]));
          Tensor dx = Tensor.zeros(arena, x.shape());
          Tensor dy = Tensor.zeros(arena, y.shape());
          for (long i = 0; i < x.elements(); i++) {
            x.set(i, random.nextFloat());
            dx.set(i, Float.NaN); // overwritten
          }
          for (long i = 0; i < dy.elements(); i++) {
            dy.set(i, random.nextInt(-8, 8)); // sums are exact
          }
          backend.dense().pad(x, y, padding);
          backend.dense().padGradient(dy, dx, padding);
          float[] gradient = new float[(int) x.elements()];
          for (long at = 0; at < y.elements(); at++) {
            long c = at % size[1];
            int column = column(mode, (int) (at / size[1] % width) - padding.left());
            int row = row(mode, (int) (at / size[1] / width % height) - padding.top());
            long image = at / size[1] / width / height;
            if (row < 0 || column < 0) {
              assertEquals(value, y.get(at), padding + " at " + at);
            } else {
              long from = ((image * HEIGHT + row) * WIDTH + column) * size[1] + c;
              assertEquals(x.get(from), y.get(at), padding + " at " + at);
              gradient[(int) from] += dy.get(at);
            }
          }
          for (int i = 0; i < gradient.length; i++) {
            assertEquals(gradient[i], dx.get(i), padding + ", gradient " + i);
          }
        }
      }
    }
  }

  private static void refused(String words, Runnable call) {
    var e = assertThrows(IllegalArgumentException.class, call::run);
    assertEquals(words, e.getMessage());
  }

  @Test
  void whatHasNoMeaningIsRefused() {
    refused(
        "padding must not be negative, found -1",
        () -> new Padding(0, 0, -1, 0, Padding.Mode.CIRCULAR, 0));
    refused(
        "circular padding does not take the value 1.0",
        () -> new Padding(0, 0, 0, 0, Padding.Mode.CIRCULAR, 1));
    refused(
        "constant padding does not take the value NaN",
        () -> new Padding(0, 0, 0, 0, Padding.Mode.CONSTANT, Float.NaN));
    refused(
        "circular padding of 4 positions needs a height of at least 4, found 3",
        () -> Padding.of(4, Padding.Mode.CIRCULAR).outputHeight(3));
    refused(
        "reflect padding of 3 positions needs a width of at least 4, found 3",
        () -> Padding.of(3, Padding.Mode.REFLECT).outputWidth(3));
    assertEquals(
        3 + 2L * Integer.MAX_VALUE,
        Padding.of(Integer.MAX_VALUE, Padding.Mode.REPLICATE).outputHeight(3));
  }

  @Test
  void tensorsOfOtherShapesOrInOnePlaceAreRefused() {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open()) {
      Padding none = Padding.of(0, Padding.Mode.CIRCULAR);
      Padding one = Padding.of(1, Padding.Mode.CIRCULAR);
      Tensor x = Tensor.zeros(arena, 2, 3, 4, 5);
      Tensor y = Tensor.zeros(arena, 2, 5, 6, 5);
      Dense dense = backend.dense();
      refused(
          "padding [2, 3, 4, 5] gives [2, 5, 6, 5], found [2, 3, 4, 5]",
          () -> dense.pad(x, x, one));
      refused(
          "padding [2, 5, 6, 5] gives [2, 7, 8, 5], found [2, 3, 4, 5]",
          () -> dense.padGradient(x, y, one));
      refused(
          "padding needs N·H·W·C images, found [6, 4, 5]",
          () -> dense.pad(x.reshape(Shape.of(6, 4, 5)), y, one));
      assertThrows(IllegalArgumentException.class, () -> dense.pad(x, x, none));
      assertThrows(IllegalArgumentException.class, () -> dense.padGradient(x, x, none));
    }
  }
}
