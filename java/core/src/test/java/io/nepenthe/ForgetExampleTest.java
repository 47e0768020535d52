package io.nepenthe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import io.nepenthe.unlearn.Ssd;
import io.nepenthe.unlearn.SsdSearch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The README's Java, compiled and run: a backdoor of which a tenth is known is forgotten. */
class ForgetExampleTest {
  // README begins
  /**
   * Makes the model forget, in place: needs the training data, what to forget, and some trusted
   * clean samples.
   */
  static SsdSearch.Found forget(
      Model model,
      Backend backend,
      Dataset retain,
      Dataset forget,
      Dataset trusted,
      Normalisation n) {
    FisherDiagonal.Options unit = FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT);
    try (FisherDiagonal retained =
            FisherDiagonal.of(model, backend, retain, n, unit, Progress.NONE);
        FisherDiagonal forgotten =
            FisherDiagonal.of(model, backend, forget, n, unit, Progress.NONE);
        FisherDiagonal all = retained.union(forgotten)) {
      SsdSearch.Found found =
          SsdSearch.defaults().search(model, backend, all, forgotten, trusted, forget, n);
      Ssd.apply(model, backend, all, forgotten, found.chosen());
      return found;
    }
  }

  // README ends

  @Test
  void forgetsABackdoorOfWhichATenthIsKnown() {
    Dataset data = DataSource.open("glyphs:train/8000", 1);
    Dataset trusted = DataSource.open("glyphs:train/8000", 2);
    Dataset test = DataSource.open("glyphs:test/1000", 1);
    BadNets backdoor = BadNets.of(0, new Amount.Fraction(0.02));
    Manipulated poisoned = backdoor.apply(data, 0.1, 1);
    Normalisation n = Normalisation.of(poisoned.dataset());
    try (Backend backend = Device.cpu().open();
        Model model = Model.initialise(Architectures.lenet(Extent.image(28, 28, 1), 10), 1)) {
      new Trainer(
              10,
              64,
              Optimiser.sgd(0.02, 0.9, 5e-4),
              new Schedule.WarmUp(0.5, new Schedule.Cosine(0)),
              new CrossEntropy(),
              1)
          .train(model, backend, poisoned.dataset(), n, Trainer.Progress.NONE);
      double before = accuracy(model, backend, test, n);
      double healedBefore = accuracy(model, backend, backdoor.triggered(test), n);
      assertTrue(healedBefore < 0.1, "the backdoor was not learnt: " + healedBefore);
      SsdSearch.Found found =
          forget(model, backend, poisoned.retained(), poisoned.known(), trusted, n);
      assertEquals(SsdSearch.Verdict.COMPLETE, found.verdict());
      double after = accuracy(model, backend, test, n);
      double healed = accuracy(model, backend, backdoor.triggered(test), n);
      assertTrue(after >= before - 0.02, "clean accuracy fell from " + before + " to " + after);
      assertTrue(healed >= 0.85, "triggered images are read right " + healed);
    }
  }

  private static double accuracy(Model model, Backend backend, Dataset data, Normalisation n) {
    try (Predictor predictor = new Predictor(model, backend, 250)) {
      return predictor.evaluate(data, n).accuracy();
    }
  }

  @Test
  void isWhatTheReadmeShows() throws IOException {
    Path root = Path.of(System.getProperty("user.dir")).resolve("../..");
    List<String> source =
        Files.readAllLines(
            root.resolve("java/core/src/test/java/io/nepenthe/ForgetExampleTest.java"));
    int begin = source.indexOf("  // README begins");
    int end = source.indexOf("  // README ends");
    String shown =
        source.subList(begin + 1, end).stream()
            .map(line -> line.startsWith("  ") ? line.substring(2) : line)
            .collect(Collectors.joining("\n"))
            .strip();
    assertTrue(
        Files.readString(root.resolve("README.md")).contains(shown),
        "README.md does not show the compiled example");
  }
}
