package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
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
  void everyStrengthIsASettingThatTheMethodTakes() {
    int found = 0;
    for (Methods.Entry entry : Methods.all()) {
      Strength strength = Strength.of(entry.name(), entry.published()).orElse(null);
      if (strength == null) {
        continue;
      }
      found++;
      assertEquals(entry.published(), strength.at(0));
      double weaker = Double.parseDouble(Settings.of(strength.at(-1)).get(strength.setting()));
      double wanted = strength.inverse() ? Math.sqrt(10) : Math.sqrt(0.1);
      // To three digits, in single precision where the setting is.
      assertEquals(1, weaker / strength.value() / wanted, 0.005, entry.name());
    }
    assertEquals(Methods.all().size() - 4, found, "all but retrain, eu-k, ssd and ssd-fine-tune");
  }
}
