package io.nepenthe.data;

import java.awt.geom.Path2D;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The pen strokes of digits and capital letters, as paths in a box of 100×100 with y downwards.
 * They are data of this class, not a font, because fonts differ from machine to machine. M moves, L
 * draws a line, C a cubic curve, each with absolute coordinates.
 */
final class GlyphShapes {
  private static final Map<Character, List<Path2D.Double>> SHAPES = new TreeMap<>();

  private GlyphShapes() {}

  /** The ways to write a character; at least one. */
  static List<Path2D.Double> of(char character) {
    List<Path2D.Double> ways = SHAPES.get(character);
    if (ways == null) {
      throw new IllegalArgumentException("no strokes for " + character);
    }
    return ways;
  }

  private static void put(char character, String... ways) {
    SHAPES.put(character, Stream.of(ways).map(GlyphShapes::parse).toList());
  }

  private static Path2D.Double parse(String text) {
    Path2D.Double path = new Path2D.Double();
    String[] words = text.split(" ");
    double[] p = new double[6];
    for (int i = 0; i < words.length; ) {
      char command = words[i++].charAt(0);
      int count = command == 'C' ? 6 : 2;
      for (int k = 0; k < count; k++) {
        p[k] = Double.parseDouble(words[i++]);
      }
      switch (command) {
        case 'M' -> path.moveTo(p[0], p[1]);
        case 'L' -> path.lineTo(p[0], p[1]);
        case 'C' -> path.curveTo(p[0], p[1], p[2], p[3], p[4], p[5]);
        default -> throw new IllegalArgumentException(text);
      }
    }
    return path;
  }

  static {
    put(
        '0',
        "M 50 0 C 15 0 10 30 10 50 C 10 80 20 100 50 100 C 80 100 90 75 90 50 C 90 25 80 0 50 0",
        "M 60 4 C 25 -8 20 40 22 62 C 25 105 70 110 76 62 C 80 30 75 5 48 2");
    put(
        '1',
        "M 50 0 L 50 100",
        "M 28 24 L 55 0 L 55 100",
        "M 28 22 L 50 0 L 50 100 M 25 100 L 75 100");
    put(
        '2',
        "M 15 25 C 15 5 35 0 50 0 C 75 0 85 15 85 30 C 85 55 40 70 12 100 L 88 100",
        "M 14 20 C 25 -10 85 -5 82 30 C 78 65 30 110 18 92 C 10 75 45 80 90 98");
    put(
        '3',
        "M 15 12 C 30 -3 80 -5 80 25 C 80 45 60 48 42 48 C 65 48 88 52 88 75 C 88 105 30 105 12 85",
        "M 15 0 L 82 0 L 45 42 C 70 40 88 52 88 72 C 88 105 30 105 12 85");
    put('4', "M 66 100 L 66 0 L 10 70 L 92 70", "M 22 0 L 15 55 L 88 55 M 72 15 L 70 100");
    put(
        '5',
        "M 82 0 L 25 0 L 20 45 C 35 35 85 35 85 68 C 85 105 30 105 12 85",
        "M 28 4 L 24 44 C 50 34 84 44 80 72 C 76 100 40 104 18 92 M 26 4 L 86 0");
    put(
        '6',
        "M 75 3 C 40 5 12 40 12 70 C 12 95 35 100 50 100 C 70 100 86 88 86 70 C 86 52 70 42 50 42"
            + " C 35 42 18 50 13 65",
        "M 62 0 C 30 30 18 55 20 76 C 24 104 76 106 78 76 C 78 52 40 46 22 74");
    put('7', "M 10 0 L 88 0 L 40 100", "M 10 4 L 86 0 C 66 30 48 66 44 100 M 30 52 L 78 50");
    put(
        '8',
        "M 50 48 C 30 45 18 38 18 24 C 18 8 33 0 50 0 C 67 0 82 8 82 24 C 82 38 70 45 50 48"
            + " C 25 52 10 60 10 75 C 10 92 28 100 50 100 C 72 100 90 92 90 75 C 90 60 75 52 50 48",
        "M 78 14 C 50 -14 10 8 28 32 C 42 50 84 56 82 80 C 78 106 20 106 20 80 C 20 56 80 44 78 14");
    put(
        '9',
        "M 86 32 C 82 50 65 58 50 58 C 30 58 14 48 14 30 C 14 12 30 0 50 0 C 72 0 88 12 88 35"
            + " C 88 65 75 95 30 100",
        "M 82 26 C 74 52 20 56 20 28 C 20 -6 80 -8 82 26 L 76 100");
    put('A', "M 8 100 L 50 0 L 92 100 M 24 62 L 76 62");
    put(
        'B',
        "M 15 0 L 15 100 L 55 100 C 98 100 98 48 55 48 L 15 48 M 15 0 L 52 0 C 90 0 90 48 52 48");
    put('C', "M 88 18 C 70 -8 12 -6 12 50 C 12 106 70 108 88 82");
    put('D', "M 15 0 L 15 100 L 40 100 C 105 100 105 0 40 0 L 15 0");
    put('E', "M 85 0 L 15 0 L 15 100 L 85 100 M 15 48 L 70 48");
    put('F', "M 85 0 L 15 0 L 15 100 M 15 48 L 70 48");
    put('G', "M 86 16 C 66 -8 10 -6 10 50 C 10 106 70 106 88 84 L 88 54 L 56 54");
    put('H', "M 14 0 L 14 100 M 86 0 L 86 100 M 14 48 L 86 48");
    put('I', "M 22 0 L 78 0 M 50 0 L 50 100 M 22 100 L 78 100");
    put('J', "M 40 0 L 92 0 M 70 0 L 70 72 C 70 108 20 108 12 74");
    put('K', "M 16 0 L 16 100 M 84 0 L 16 58 M 40 40 L 88 100");
    put('L', "M 18 0 L 18 100 L 86 100");
    put('M', "M 8 100 L 14 0 L 50 66 L 86 0 L 92 100");
    put('N', "M 14 100 L 14 0 L 86 100 L 86 0");
    put('O', "M 50 0 C -4 0 -4 100 50 100 C 104 100 104 0 50 0");
    put('P', "M 16 100 L 16 0 L 52 0 C 98 0 98 54 52 54 L 16 54");
    put('Q', "M 50 0 C -4 0 -4 96 50 96 C 104 96 104 0 50 0 M 58 68 L 94 108");
    put('R', "M 16 100 L 16 0 L 52 0 C 98 0 98 50 52 50 L 16 50 M 46 50 L 90 100");
    put('S', "M 84 14 C 66 -8 14 -6 14 24 C 14 54 88 42 88 74 C 88 106 28 108 10 84");
    put('T', "M 8 0 L 92 0 M 50 0 L 50 100");
    put('U', "M 14 0 L 14 60 C 14 114 86 114 86 60 L 86 0");
    put('V', "M 8 0 L 50 100 L 92 0");
    put('W', "M 4 0 L 26 100 L 50 30 L 74 100 L 96 0");
    put('X', "M 12 0 L 88 100 M 88 0 L 12 100");
    put('Y', "M 10 0 L 50 48 L 90 0 M 50 48 L 50 100");
    put('Z', "M 12 0 L 88 0 L 12 100 L 88 100");
  }
}
