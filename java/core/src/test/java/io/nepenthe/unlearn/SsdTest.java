package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Amount;
import io.nepenthe.data.DataSource;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.unlearn.SsdSearch.Cut;
import io.nepenthe.unlearn.SsdSearch.Verdict;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class SsdTest {
  private static final SsdSearch SEARCH = SsdSearch.defaults();
  private static final Cut BEFORE = new Cut(Float.POSITIVE_INFINITY, 0, 0.99, 1);

  private static Cut cut(float alpha, double heldOut, double forget) {
    return new Cut(alpha, 0.01, heldOut, forget);
  }

  @Test
  void theMiddleOfTheCompleteCutsIsChosen() {
    SsdSearch.Found found =
        SEARCH.choose(
            BEFORE,
            List.of(
                cut(64, 0.99, 1),
                cut(32, 0.99, 0.1),
                cut(16, 0.985, 0),
                cut(8, 0.981, 0),
                cut(4, 0.97, 0)),
            0.1);
    assertEquals(16, found.chosen().selection());
    assertEquals(Verdict.COMPLETE, found.verdict());
  }

  @Test
  void withoutACompleteCutTheStrongestToleratedIs() {
    SsdSearch.Found found =
        SEARCH.choose(
            BEFORE, List.of(cut(64, 0.99, 1), cut(32, 0.985, 0.8), cut(16, 0.97, 0)), 0.1);
    assertEquals(32, found.chosen().selection());
    assertEquals(Verdict.INCOMPLETE, found.verdict());
  }

  @Test
  void whenEveryCutHurtsItSaysSo() {
    SsdSearch.Found found = SEARCH.choose(BEFORE, List.of(cut(64, 0.5, 0)), 0.1);
    assertEquals(64, found.chosen().selection());
    assertEquals(Verdict.NONE_TOLERATED, found.verdict());
  }

  @Test
  void refusesSettingsThatMeanNothing() {
    assertThrows(IllegalArgumentException.class, () -> new SsdSearch(1, 2, 2, 0.1f, 0.01, 1));
    assertThrows(IllegalArgumentException.class, () -> new SsdSearch(2, 1, 1, 0.1f, 0.01, 1));
    assertThrows(IllegalArgumentException.class, () -> new SsdSearch(2, 1, 2, -1, 0.01, 1));
    assertThrows(IllegalArgumentException.class, () -> new SsdSearch(2, 1, 2, 0.1f, 2, 1));
    assertThrows(IllegalArgumentException.class, () -> new SsdSearch(2, 1, 2, 0.1f, 0.01, 0));
  }

  @Test
  void massScaleSelectsTheSameWhateverTheForgetImportanceIsMultipliedBy() {
    Dataset data = DataSource.open("glyphs:train/300", 1);
    Manipulated poisoned = BadNets.of(0, new Amount.Count(30)).apply(data, 0.5, 1);
    Normalisation normalisation = Normalisation.of(data);
    try (Backend backend = Device.cpu(2).open();
        Model model = Model.initialise(Architectures.lenet(Extent.image(28, 28, 1), 10), 1);
        FisherDiagonal reference = fisher(model, backend, data, normalisation);
        FisherDiagonal forget = fisher(model, backend, poisoned.known(), normalisation);
        Model first = model.copy();
        Model second = model.copy()) {
      Ssd.Outcome once = Ssd.apply(first, backend, reference, forget, Ssd.Options.mass(2));
      for (long j = 0; j < forget.values().count(); j++) {
        forget.values().flat().set(j, forget.values().flat().get(j) * 0x1p-20f);
      }
      Ssd.Outcome again = Ssd.apply(second, backend, reference, forget, Ssd.Options.mass(2));
      assertTrue(once.selected() > 100, "selected " + once.selected());
      assertEquals(once.selected(), again.selected());
      assertEquals(once.factor() * 0x1p20, again.factor(), once.factor());
      Ssd.Options absolute = new Ssd.Options(2, 0.1f, 1, Ssd.Scale.ABSOLUTE);
      // Only weights that no sample of the reference used at all are left.
      long bare = Ssd.apply(second, backend, reference, forget, absolute).selected();
      assertTrue(bare < once.selected() / 5, "the absolute scale selected " + bare);
    }
  }

  private static FisherDiagonal fisher(
      Model model, Backend backend, Dataset data, Normalisation normalisation) {
    return FisherDiagonal.of(
        model,
        backend,
        data,
        normalisation,
        FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT),
        Progress.NONE);
  }

  @Test
  void refusesImportancesOfAnotherModel() {
    Dataset data = Subset.range(DataSource.open("glyphs:train/100", 1), 0, 9);
    Normalisation normalisation = Normalisation.identity(1);
    try (Backend backend = Device.cpu(1).open();
        Model lenet = Model.initialise(Architectures.lenet(Extent.image(28, 28, 1), 10), 1);
        Model mlp = Model.initialise(Architectures.mlp(Extent.image(28, 28, 1), 10, 8), 1);
        FisherDiagonal of = fisher(mlp, backend, data, normalisation);
        FisherDiagonal own = fisher(lenet, backend, data, normalisation)) {
      for (Ssd.Options options : List.of(Ssd.Options.mass(1), Ssd.Options.published())) {
        for (Executable wrong :
            List.<Executable>of(
                () -> Ssd.apply(lenet, backend, of, of, options),
                () -> Ssd.apply(lenet, backend, own, of, options),
                () -> Ssd.apply(lenet, backend, of, own, options))) {
          IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, wrong);
          assertTrue(refusal.getMessage().contains("another model's"), refusal.getMessage());
        }
      }
      own.values().flat().clear();
      try (FisherDiagonal some = fisher(lenet, backend, data, normalisation)) {
        for (Executable zero :
            List.<Executable>of(
                () -> Ssd.apply(lenet, backend, some, own, Ssd.Options.mass(1)),
                () -> Ssd.apply(lenet, backend, own, some, Ssd.Options.mass(1)))) {
          IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, zero);
          assertTrue(refusal.getMessage().contains("one scale"), refusal.getMessage());
        }
      }
    }
  }
}
