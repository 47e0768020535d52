package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Subset;
import io.nepenthe.evaluate.Feature;
import io.nepenthe.evaluate.MembershipInference;
import io.nepenthe.evaluate.Predictions;
import io.nepenthe.evaluate.Splits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever figure there is not is said, with the reason, and what those that there are hide. */
class CaveatsTest {
  @TempDir Path folder;
  private int images;

  /** So many images of each class, none like another. */
  private Dataset data(int... counts) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int label = 0; label < counts.length; label++) {
      for (int i = 0; i < counts[label]; i++) {
        images++;
        lines.append("%d,%d,%d,7,255\n".formatted(label, images % 256, images / 256));
      }
    }
    Path file = folder.resolve(images + ".csv");
    Files.writeString(file, lines);
    return DataSource.open("csv:" + file, 1);
  }

  private static Task task(Dataset test, Dataset forget, Dataset retain) {
    return new Task(
        Optional.of(test),
        Optional.of(forget),
        Optional.of(retain),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  private static List<String> of(Task task) {
    return Caveats.of(task, Optional.empty(), true);
  }

  /** Not a number means that the attack makes no statement: then, and only then, that is said. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 9, 10, 99, 100})
  void ofFewForgottenTheAttacksThatThereAreNotAreNamed(int count) throws IOException {
    Task task = task(data(150, 120), data(count), data(200, 150));
    List<String> notes = of(task);
    Splits splits =
        new Splits(
            predictions(task.retain()), predictions(task.forget()), predictions(task.test()));
    MembershipInference attack = MembershipInference.defaults(1);
    assertEquals(
        notes.stream().filter(note -> !note.contains("threshold attack")).toList(),
        Caveats.of(task, Optional.empty(), false),
        "where it is not made anyway");
    boolean loss = Double.isNaN(attack.lossAttack(splits));
    boolean threshold = Double.isNaN(attack.thresholdAttack(splits, Feature.MODIFIED_ENTROPY));
    assertEquals(count < 10, loss);
    assertEquals(count < 2, threshold);
    assertEquals(
        loss,
        notes.contains(
            "There is no loss attack: it needs 10 of the forgotten and 10 test samples of their"
                + " classes, found %d and 150".formatted(count)));
    assertEquals(
        threshold,
        notes.contains(
            "There is no threshold attack: it needs 2 of the forgotten and 2 test samples of one"
                + " class, found no such class"));
    assertEquals(
        count >= 10 && count < 100,
        notes.contains(
            "The loss attack learnt from no more than %d of the forgotten and as many test samples:"
                    .formatted(count)
                + " of so few it says little, which no interval shows"));
    assertEquals(count >= 100 ? 0 : threshold ? 2 : 1, notes.size(), notes.toString());
  }

  private static Predictions predictions(Optional<Dataset> data) {
    Dataset it = data.orElseThrow();
    int[] labels = IntStream.range(0, (int) it.size()).map(it::label).toArray();
    return Predictions.of(2, labels, new float[2 * labels.length]);
  }

  @Test
  void whereAllButOneAreForgottenAttackersLearnNothing() throws IOException {
    List<String> notes = of(task(data(50, 60), data(80, 80), data(1)));
    assertTrue(notes.getFirst().startsWith("Of class 1, forgotten altogether"), notes.toString());
    assertEquals(
        "Attackers by support vectors and by the entropy learnt from 1 of the kept and 1 of the"
            + " test samples, and training privacy is not measured: of so few what they judge says"
            + " little, which no interval shows",
        notes.get(1));
    notes = of(task(data(50, 40), data(120), data(30, 80)));
    assertTrue(notes.getLast().contains("learnt from 90 of the kept and 90 of"), notes.toString());
    assertEquals(List.of(), of(task(data(110, 50), data(120), data(30, 80))));
  }

  @Test
  void withoutTestSamplesOfTheirClassesTheForgottenAreToldFromNone() throws IOException {
    List<String> notes = of(task(data(0, 200), data(120), data(30, 80)));
    assertTrue(
        notes.contains(
            "There is no loss attack: it needs 10 of the forgotten and 10 test samples of their"
                + " classes, found 120 and 0"),
        notes.toString());
  }

  @Test
  void heldOutDataOfForgottenClassesAloneTeachNoAttacker() throws IOException {
    Task task =
        new Task(
            Optional.empty(),
            Optional.of(data(0, 20)),
            Optional.of(data(150)),
            Optional.of(data(0, 30)),
            Optional.empty(),
            Optional.empty());
    assertTrue(
        of(task)
            .contains(
                "All held-out samples are of classes forgotten altogether: there are no attacks by"
                    + " support vectors or by the entropy, which learn of kept classes"),
        of(task).toString());
  }

  @Test
  void withoutDataNeverSeenThatIsSaid() throws IOException {
    Task task =
        new Task(
            Optional.empty(),
            Optional.of(data(20)),
            Optional.of(data(150, 5)),
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
    assertEquals(1, of(task).size());
    assertTrue(of(task).getFirst().startsWith("There are neither --test nor --held-out data"));
  }

  /** Only the training data know the name of a class that the test data have no number for. */
  @Test
  void forgottenClassesAreNamedWhereTheTestDataHaveFewerClasses() throws IOException {
    Dataset fewer = data(200, 100);
    assertEquals(2, fewer.classes());
    List<String> notes = of(task(fewer, data(0, 0, 0, 20), data(100, 100, 100)));
    assertTrue(
        notes.getFirst().startsWith("The test data have no sample of class 3, forgotten"),
        notes.toString());
    assertTrue(notes.getFirst().endsWith("are not made"), notes.toString());
    notes = of(task(fewer, data(0, 5, 0, 20), data(100, 100, 100)));
    assertTrue(notes.getFirst().endsWith("tell classes rather than members"), notes.toString());
    Dataset one = data(200);
    Dataset forget = data(20, 0, 0, 20);
    Dataset retain = data(0, 100, 100);
    String message =
        assertThrows(CommandException.class, () -> task(one, forget, retain)).getMessage();
    assertTrue(message.endsWith("found only classes 0, 3, forgotten altogether"), message);
  }

  @Test
  void ratesOfNoSamplesAreNamedAndAreNoFigures() throws IOException {
    Task task =
        new Task(
            Optional.of(data(0, 100)),
            Optional.of(data(20, 0, 5)),
            Optional.of(data(200, 150, 120, 100)),
            Optional.empty(),
            Optional.of(BadNets.of(1, Amount.count(0))),
            Optional.of(new Confused.Pair(0, 0)));
    String notes = of(task).toString();
    assertTrue(notes.contains("no sample of class 0, of which no accuracy is known"), notes);
    assertTrue(notes.contains("There is no attack success: the test data have no sample"), notes);
    assertTrue(notes.contains("Nothing is known of the confused classes"), notes);
    Predictions test = Predictions.of(2, new int[] {1, 1}, 0, 1, 1, 0);
    Observed observed =
        new Observed(
            Optional.of(test),
            Optional.empty(),
            Optional.empty(),
            Optional.of(Predictions.of(2, new int[0])),
            Optional.empty(),
            1,
            task.confused());
    ObjectNode metrics = JsonNodeFactory.instance.objectNode();
    Metrics.rates(observed, metrics);
    assertEquals(
        "[testAccuracy, cleanAccuracy, interval95]",
        metrics.propertyStream().map(it -> it.getKey()).toList().toString());
  }

  @Test
  void answersBeyondTheNamesOfTheTestDataAreCounted() {
    Predictions test = Predictions.of(4, new int[] {0, 1, 1}, 9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0);
    Observed observed =
        new Observed(
            Optional.of(test),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            -1,
            Optional.empty());
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    observed.classes(List.of("cat", "dog"), node);
    assertEquals("[[1,0,0],[0,1,1],[0,0,0]]", node.get("confusion").toString());
    assertEquals("2", node.at("/classes/2/name").asText());
    assertTrue(node.at("/classes/2/accuracy").isNull());
  }

  @Test
  void samplesThatAreInTwoPartsAreCounted() throws IOException {
    Dataset all = data(150, 150);
    Dataset forget = Subset.range(all, 0, 29);
    Dataset retain = Subset.range(all, 20, 249);
    Dataset test = Subset.range(all, 25, 299);
    List<String> notes =
        Caveats.of(task(test, forget, retain), Optional.of(Subset.range(all, 290, 299)), true);
    assertEquals(
        List.of(
            "10 of the 30 forgotten samples are, pixel for pixel, among those that are kept as"
                + " well: a model trained anew has seen them too",
            "5 of the 275 test samples are, pixel for pixel, among the forgotten: they are no"
                + " samples never seen",
            "225 of the 275 test samples are, pixel for pixel, among those that are trained on:"
                + " they are no samples never seen",
            "10 of the 275 test samples are, pixel for pixel, among the held-out ones, by which"
                + " methods choose: test figures are not independent of that choice"),
        notes.subList(1, notes.size()));
    assertTrue(Overlap.between(retain, test));
    assertEquals(false, Overlap.between(forget, Subset.range(all, 290, 299)));
  }
}
