package io.nepenthe.benchmarks.unlearning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Settings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

class LadderTest {
  @Test
  void climbsTowardsTheLeastCostInTheSameNumberOfTries() {
    for (int aim = -3; aim <= 3; aim++) {
      List<Integer> tried = new ArrayList<>();
      int wanted = aim;
      int found =
          Ladder.cheapest(
              rung -> {
                tried.add(rung);
                return Math.abs(rung - wanted);
              });
      assertEquals(aim, found);
      assertEquals(Ladder.TRIES, tried.size());
      assertEquals(tried.size(), tried.stream().distinct().count());
      assertEquals(
          tried.size() - 1,
          tried.stream().max(Integer::compare).get() - tried.stream().min(Integer::compare).get());
    }
  }

  @Test
  void whatDoesNothingIsTriedHarder() {
    assertEquals(2, Ladder.cheapest(rung -> rung < 3 ? 1 : rung));
    assertEquals(4, Ladder.cheapest(_ -> 1));
  }

  @Test
  void aFailureIsNeverChosen() {
    assertEquals(-1, Ladder.cheapest(rung -> rung == -1 ? 5 : Double.NaN));
  }

  @Test
  void theStrongestToleratedIsFoundFromBothSides() {
    for (int edge = -4; edge <= 4; edge++) {
      int wanted = edge;
      assertEquals(edge, Ladder.strongest(rung -> rung <= wanted ? 0.5 : 2, 1));
    }
    assertEquals(Ladder.TRIES - 1, Ladder.strongest(_ -> 0, 1));
  }

  @Test
  void whereNoneIsToleratedTheCheapestIsTaken() {
    assertEquals(-2, Ladder.strongest(rung -> rung == -2 ? 2 : 3, 1));
    assertEquals(0, Ladder.strongest(_ -> 2, 1));
    assertEquals(-3, Ladder.strongest(rung -> rung == -3 ? 2 : Double.NaN, 1));
  }

  @Test
  void everyMeasuredMethodTakesItsStrengthsAsTheyAreWrittenDown() {
    for (Methods.Entry entry : UnlearningTables.METHODS) {
      Strength.of(entry)
          .ifPresent(
              strength -> {
                String text = strength.text(-1);
                double weaker =
                    Double.parseDouble(
                        Settings.of(Strength.with(entry.published(), text))
                            .get(strength.setting()));
                double ratio = weaker / strength.value();
                double wanted = strength.inverse() ? Math.sqrt(10) : Math.sqrt(0.1);
                // Written to three digits.
                assertTrue(Math.abs(ratio / wanted - 1) <= 0.005, entry + " " + text);
                assertEquals(Row.PUBLISHED, strength.text(0));
              });
    }
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
