package io.nepenthe.benchmarks.unlearning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.unlearn.Ladder;
import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Strength;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.ToDoubleBiFunction;
import org.junit.jupiter.api.Test;

class TuningTest {
  private static final Methods.Entry METHOD =
      Methods.all().stream()
          .filter(entry -> entry.name().equals("fine-tune"))
          .findFirst()
          .orElseThrow();

  private static final Strength STRENGTH = Tuning.strength(METHOD).orElseThrow();

  @Test
  void thePrivacyStrengthHasTheLeastGapOverAllSeedsNotOnOne() {
    // On seed 0 rung 2 is perfect, and on the others far off; rung 0 is fair on all.
    ToDoubleBiFunction<Long, Integer> gap =
        (seed, rung) -> rung == 0 ? 0.1 : rung == 2 && seed == 0 ? 0 : 0.4;
    assertEquals(Row.PUBLISHED, chosen("random", gap, new TreeSet<>()));
  }

  @Test
  void everySeedIsAskedAndNoneOfThemIsInATable() {
    Set<Long> asked = new TreeSet<>();
    chosen("class", (_, rung) -> Math.abs(rung) / 10.0, asked);
    assertEquals(Set.of(0L, -1L, -2L), asked);
    asked.forEach(seed -> assertTrue(new Row.Cell("class", "mnist", 1, seed).isTuning()));
    Data.MNIST
        .shown()
        .forEach(seed -> assertFalse(new Row.Cell("class", "mnist", 1, seed).isTuning()));
  }

  @Test
  void whatFailsOnOneSeedIsNotChosenHoweverGoodElsewhere() {
    ToDoubleBiFunction<Long, Integer> gap =
        (seed, rung) -> rung == 0 ? (seed == -2 ? Double.NaN : 0) : 0.2 + Math.abs(rung) / 100.0;
    assertEquals(Tuning.text(STRENGTH, 1), chosen("random", gap, new TreeSet<>()));
  }

  @Test
  void aCorrectiveStrengthIsChosenOnOneSeedByWhatItCosts() {
    Set<Long> asked = new TreeSet<>();
    // The largest rate that costs at most a point.
    assertEquals(
        Tuning.text(STRENGTH, 1), chosen("badnets", (_, rung) -> rung <= 1 ? 0.005 : 0.02, asked));
    assertEquals(Set.of(0L), asked);
  }

  @Test
  void moreImagesArePartOfTheTasksName() {
    Row.Cell more = new Row.Cell("badnets-5000", "mnist", 0.1, 1);
    assertEquals("badnets", more.kind());
    assertEquals(5000, more.images());
    Row.Cell usual = new Row.Cell("label-noise", "mnist", 0.1, 1);
    assertEquals("label-noise", usual.kind());
    assertEquals(Data.MNIST.images(), usual.images());
    assertEquals(5000, Source.glyphs(1, more.images()).training().size());
  }

  /**
   * What is chosen where each rung has this cost: the gap, or the trusted accuracy lost.
   *
   * @param asked the seeds that were
   */
  private static String chosen(
      String task, ToDoubleBiFunction<Long, Integer> cost, Set<Long> asked) {
    Row.Cell cell = new Row.Cell(task, "mnist", 1, 7);
    List<String> rungs = new ArrayList<>();
    for (int rung = -Ladder.TRIES; rung <= Ladder.TRIES; rung++) {
      rungs.add(Tuning.text(STRENGTH, rung));
    }
    return Tuning.settings(
        cell,
        METHOD,
        (seed, method, settings) -> {
          asked.add(seed);
          double off =
              method.equals(METHOD.name())
                  ? cost.applyAsDouble(seed, rungs.indexOf(settings) - Ladder.TRIES)
                  : 0;
          SequencedMap<String, Double> values = new LinkedHashMap<>();
          for (String name :
              List.of(
                  "unlearningAccuracy",
                  "retainAccuracy",
                  "testAccuracy",
                  "efficacyConfidence",
                  "trustedAccuracy")) {
            values.put(name, 1 - off);
          }
          return new Row(cell.withSeed(seed), method, settings, values);
        });
  }
}
