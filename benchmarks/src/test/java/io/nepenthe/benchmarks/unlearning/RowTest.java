package io.nepenthe.benchmarks.unlearning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Settings;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

class RowTest {
  @Test
  void everyMeasuredMethodTakesItsStrengthsAsTheyAreWrittenDown() {
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      Tuning.strength(entry)
          .ifPresent(
              strength -> {
                String text = Tuning.text(strength, -1);
                double weaker =
                    Double.parseDouble(
                        Settings.of(Tuning.with(entry.published(), text)).get(strength.setting()));
                double ratio = weaker / strength.value();
                double wanted = strength.inverse() ? Math.sqrt(10) : Math.sqrt(0.1);
                // Written to three digits.
                assertTrue(Math.abs(ratio / wanted - 1) <= 0.005, entry + " " + text);
                assertEquals(Row.PUBLISHED, Tuning.text(strength, 0));
              });
    }
  }

  @Test
  void aTaskWithMoreImagesIsOfTheSameKind() {
    Row.Cell larger = new Row.Cell("random-7000", "cifar10", 1, 1);
    assertTrue(larger.isPrivacy());
    assertEquals("random", larger.kind());
    assertEquals(7_000, larger.images());
    assertEquals(List.of(0L), Tuning.seeds(larger));
  }

  @Test
  void aRowIsReadAsItWasWritten() {
    SequencedMap<String, Double> values = new LinkedHashMap<>();
    values.put("seconds", 0.1);
    values.put("lossAttack", Double.NaN);
    Row.Cell cell = new Row.Cell("badnets", "mnist", 0.3, 4);
    Row row = new Row(cell, "salun", "learningRate=0.00411", values);
    assertEquals(row, Row.parse(row.line()));
    Row failed = new Row(cell, "salun", Row.PUBLISHED, new LinkedHashMap<>());
    assertEquals(failed, Row.parse(failed.line()));
  }
}
