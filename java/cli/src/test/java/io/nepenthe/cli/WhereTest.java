package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
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
}
