package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WhereTest {
  /** Ids 10 to 29, labels 0 to 9 twice. */
  private final Dataset dataset = DataSource.open("glyphs:train/30#10-29", 1);

  private String matching(String text) {
    Where.Condition condition = Where.parse(text);
    StringBuilder ids = new StringBuilder();
    LongStream.range(0, dataset.size())
        .filter(index -> condition.of(dataset, index))
        .forEach(index -> ids.append(ids.isEmpty() ? "" : " ").append(dataset.id(index)));
    return ids.toString();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "label = 3 | 13 23",
        "label=3 and id<20 | 13",
        "id >= 28 or index <= 1 | 10 11 28 29",
        "not (label > 1) | 10 11 20 21",
        "label = 1 or label = 2 and id > 20 | 11 21 22",
        "(label = 1 or label = 2) and id > 20 | 21 22",
        "label != 4 and id > 12 and id < 16 | 13 15",
        "not not id = 12 | 12",
        "id > -1 and id < 11 | 10"
      })
  void picksTheImagesThatItSays(String text, String ids) {
    assertEquals(ids, matching(text));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "label",
        "label =",
        "label = x",
        "3 = label",
        "label == 3",
        "label = 3 and",
        "(label = 3",
        "label = 3)",
        "label = 3 label = 4",
        "colour = 3",
        "label = 3; id = 4",
        "and"
      })
  void refusesWhatItDoesNotUnderstand(String text) {
    assertThrows(IllegalArgumentException.class, () -> Where.parse(text));
  }

  @Test
  void saysWhatItExpected() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> Where.parse("label = 3 and"))
            .getMessage();
    assertEquals("\"label = 3 and\": expected id, index or label, found the end", message);
  }

  /** As long as the system lets an argument be. */
  @Test
  void takesListsOfThousands() {
    StringBuilder ids = new StringBuilder("id = 12");
    StringBuilder others = new StringBuilder("id != 12");
    for (int i = 0; i < 9_000; i++) {
      ids.append(" or id = 1").append(i).append(i);
      others.append(" and id != ").append(i + 100);
    }
    assertEquals("10 11 12 13 14 15 16 17 18 19", matching(ids + " or label >= 0 and id < 20"));
    assertEquals("10 11", matching(others + " and id < 12"));
    assertEquals("12", matching("not ".repeat(30_000) + "id = 12"));
    assertEquals("12", matching("(".repeat(100) + "id = 12" + ")".repeat(100)));
  }

  @Test
  void aThousandBracketsAreRefusedInWords() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> Where.parse("(".repeat(60_000) + "id = 12" + ")".repeat(60_000)))
            .getMessage();
    assertTrue(message.contains("at most 100 brackets in each other"), message);
    assertTrue(message.length() < 300, message);
  }

  /** Any words in any order: a condition, or a complaint. */
  @Test
  void anyWordsAreUnderstoodOrRefused() {
    String[] words = {
      "id = 12",
      "label > 1",
      "index != 3",
      "not",
      "and",
      "or",
      "id",
      "index",
      "label",
      "=",
      "!=",
      "<=",
      ">",
      "(",
      ")",
      "and",
      "or",
      "not",
      "3",
      "-1",
      "999999999999999999",
      "9999999999999999999",
      "é",
      "\n",
      "\0",
      "",
      "==",
      "x",
      "İD",
      "'"
    };
    Random random = new Random(2026);
    int understood = 0;
    for (int n = 0; n < 20_000; n++) {
      StringBuilder text = new StringBuilder();
      for (int i = random.nextInt(9); i >= 0; i--) {
        text.append(words[random.nextInt(words.length)]).append(random.nextInt(4) > 0 ? " " : "");
      }
      try {
        matching(text.toString());
        understood++;
      } catch (IllegalArgumentException e) {
        assertTrue(e.getMessage().contains("expected "), e.getMessage());
      }
    }
    assertTrue(understood > 20, understood + " understood");
  }
}
