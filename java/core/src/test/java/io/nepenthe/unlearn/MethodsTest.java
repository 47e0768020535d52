package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Forwarding;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Trainer;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class MethodsTest {
  @Test
  void everyNameIsThereOnce() {
    List<String> names = Methods.all().stream().map(Methods.Entry::name).toList();
    assertEquals(names.size(), names.stream().collect(Collectors.toSet()).size());
    names.forEach(name -> assertEquals(name, Methods.named(name).name()));
    IllegalArgumentException unknown =
        assertThrows(IllegalArgumentException.class, () -> Methods.named("magic"));
    assertTrue(unknown.getMessage().contains("fine-tune"), unknown.getMessage());
  }

  @Test
  void settingsAreReadAndChangedByName() {
    Method method = Methods.named("fine-tune").published();
    assertEquals("10", Settings.of(method).get("epochs"));
    assertEquals("0.01", Settings.of(method).get("learningRate"));
    assertEquals(
        new FineTune(new Steps(3, 256, Optimiser.sgd(0.5, 0.9, 5e-4))),
        Settings.with(method, Map.of("epochs", "3", "learningRate", "0.5")));
    Method ssd = Settings.with(FixedSsd.published(), Map.of("scale", "mass"));
    assertEquals(Ssd.Scale.MASS, ((FixedSsd) ssd).setting().scale());
    for (Methods.Entry entry : Methods.all()) {
      assertEquals(
          entry.published(), Settings.with(entry.published(), Settings.of(entry.published())));
    }
  }

  @Test
  void everyGradientMethodTakesAMask() {
    Method plain = Methods.named("scrub").published();
    assertEquals(
        new Masked((GradientMethod) plain, 0.3), Settings.with(plain, Map.of("maskRatio", "0.3")));
    assertEquals(plain, Settings.with(plain, Map.of("maskRatio", "1")));
    Method salun = Settings.with(Masked.published(), Map.of("maskRatio", "0.1", "epochs", "2"));
    assertEquals("0.1", Settings.of(salun).get("maskRatio"));
    assertEquals("2", Settings.of(salun).get("epochs"));
    assertThrows(
        IllegalArgumentException.class, () -> Settings.with(plain, Map.of("maskRatio", "2")));
    assertThrows(
        IllegalArgumentException.class,
        () -> Settings.with(FixedSsd.published(), Map.of("maskRatio", "0.5")));
  }

  @Test
  void refusesSettingsThatMeanNothing() {
    Method method = FineTune.published();
    for (Map<String, String> wrong :
        List.of(Map.of("epoch", "3"), Map.of("epochs", "many"), Map.of("epochs", "0"))) {
      assertThrows(IllegalArgumentException.class, () -> Settings.with(method, wrong));
    }
  }

  @Test
  void noSettingOfAnyMethodIsWhatIsNoNumber() {
    for (Methods.Entry entry : Methods.all()) {
      Method method = entry.published();
      for (String name : Settings.of(method).keySet()) {
        for (String value : List.of("NaN", "Infinity", "-Infinity", "1e999", "", "x")) {
          String message =
              assertThrows(
                      IllegalArgumentException.class,
                      () -> Settings.with(method, Map.of(name, value)),
                      () -> entry.name() + "." + name + "=" + value)
                  .getMessage();
          assertTrue(message.contains("expected "), message);
        }
      }
    }
  }

  @Test
  void retrainingIsFromScratch() {
    try (Backend backend = Device.cpu().open();
        Model trained = TinyTask.model();
        Model other = Model.initialise(TinyTask.NETWORK, 77)) {
      Retrain retrain = new Retrain();
      Trace trace = retrain.forget(trained, backend, TinyTask.task(), 5, Listener.NONE);
      retrain.forget(other, backend, TinyTask.task(), 5, Listener.NONE);
      assertArrayEquals(other.parameters().flat().toArray(), trained.parameters().flat().toArray());
      assertEquals(TinyTask.RECIPE.epochs(), trace.epochs().size());
      assertTrue(trace.seconds().get("update") > 0);
    }
  }

  @Test
  void theUnknownHalfBringsTheBackdoorBackButSsdHeals() {
    try (Backend backend = Device.cpu().open();
        Model retrained = TinyTask.model();
        Model dampened = TinyTask.model()) {
      double before = TinyTask.accuracy(dampened, backend, TinyTask.TEST);
      assertTrue(TinyTask.healed(dampened, backend) < 0.2, "the backdoor was not learnt");
      new Retrain().forget(retrained, backend, TinyTask.task(), 5, Listener.NONE);
      assertTrue(TinyTask.healed(retrained, backend) < 0.6);
      Methods.named("ssd").published().forget(dampened, backend, TinyTask.task(), 5, Listener.NONE);
      assertTrue(TinyTask.healed(dampened, backend) > 0.8);
      assertTrue(TinyTask.accuracy(dampened, backend, TinyTask.TEST) > before - 0.03);
    }
  }

  @Test
  void everyMethodTakesABatchNormalisedNetworkAndTellsItsProgress() {
    Network network = Architectures.resnet9(Extent.image(28, 28, 1), 10, 2);
    Forgetting task =
        new Forgetting(
            Subset.range(TinyTask.CLEAN, 0, 39),
            Subset.range(TinyTask.CLEAN, 40, 49),
            Optional.of(Subset.range(TinyTask.CLEAN, 50, 69)),
            TinyTask.NORMALISATION,
            new Trainer(1, 16, Optimiser.sgd(0.01, 0.9, 0), 1));
    try (Backend backend = Device.cpu(2).open();
        Model trained = Model.initialise(network, 1)) {
      new Trainer(2, 16, Optimiser.adam(2e-3), 1)
          .train(trained, backend, task.retain(), TinyTask.NORMALISATION, Trainer.Progress.NONE);
      for (Methods.Entry entry : Methods.all()) {
        Set<String> phases = new HashSet<>();
        try (Model model = trained.copy()) {
          Trace trace =
              entry
                  .published()
                  .forget(
                      model,
                      backend,
                      task,
                      1,
                      (phase, done, total) -> {
                        assertTrue(done >= 1 && done <= total, entry.name() + " " + phase);
                        phases.add(phase);
                      });
          assertTrue(trace.seconds().keySet().containsAll(phases), entry.name());
          assertFalse(phases.isEmpty(), entry.name());
          for (long j = 0; j < model.parameters().count(); j++) {
            assertTrue(Float.isFinite(model.parameters().flat().get(j)), entry.name());
          }
        }
      }
    }
  }

  /** Methods that wipe or prune weights have nothing to bring back afterwards. */
  @Test
  void aTaskThatDoesNotFitLeavesTheModelAsItWas() {
    Normalisation normalisation = TinyTask.NORMALISATION;
    Forgetting fits =
        new Forgetting(
            Subset.range(TinyTask.CLEAN, 0, 9),
            Subset.range(TinyTask.CLEAN, 10, 19),
            Optional.of(Subset.range(TinyTask.CLEAN, 20, 29)),
            normalisation,
            new Trainer(1, 16, Optimiser.sgd(0.01, 0.9, 0), 1));
    Dataset letters = Glyphs.draw(Glyphs.Alphabet.LETTERS, Glyphs.Split.TEST, 26, 1);
    List<Forgetting> unfit =
        List.of(
            new Forgetting(
                Other.reshaped(fits.retain()),
                Other.reshaped(fits.forget()),
                Optional.of(Other.reshaped(fits.heldOut().orElseThrow())),
                normalisation,
                fits.recipe()),
            new Forgetting(
                Subset.range(letters, 0, 9),
                Subset.range(letters, 10, 19),
                Optional.of(Subset.range(letters, 20, 25)),
                normalisation,
                fits.recipe()),
            fits.withHeldOut(letters),
            fits.withHeldOut(Other.reshaped(fits.retain())));
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(TinyTask.NETWORK, 1)) {
      float[] before = model.parameters().flat().toArray();
      for (Methods.Entry entry : Methods.all()) {
        for (Forgetting task : unfit) {
          assertThrows(
              IllegalArgumentException.class,
              () -> entry.published().forget(model, backend, task, 1, Listener.NONE),
              entry.name());
          assertArrayEquals(before, model.parameters().flat().toArray(), entry.name());
        }
      }
    }
  }

  /** The same values under another shape, or all of one class. */
  private record Other(Dataset of, ImageShape image, List<String> classNames)
      implements Forwarding {
    /** As many values, otherwise arranged. */
    static Other reshaped(Dataset of) {
      ImageShape image = of.image();
      return new Other(
          of, new ImageShape(image.height() / 2, 2 * image.width(), 1), of.classNames());
    }

    @Override
    public int classes() {
      return classNames.size();
    }

    @Override
    public int label(long index) {
      return of.label(index) % classes();
    }
  }

  @Test
  void whatAMethodLacksIsNamed() {
    Dataset threes = Datasets.ofClasses(TinyTask.TRUSTED, 3);
    Dataset one =
        new Other(Subset.range(TinyTask.CLEAN, 0, 19), TinyTask.CLEAN.image(), List.of("all"));
    Trainer recipe = new Trainer(1, 16, Optimiser.sgd(0.01, 0.9, 0), 1);
    Forgetting only = Forgetting.ofIds(one, new long[] {1}, TinyTask.NORMALISATION, recipe);
    try (Backend backend = Device.cpu(1).open();
        Model model = Model.initialise(TinyTask.NETWORK, 1);
        Model single = Model.initialise(Architectures.mlp(Extent.image(28, 28, 1), 1, 4), 1)) {
      assertSays(
          "none of the classes that are kept",
          () ->
              SearchedSsd.defaults()
                  .forget(model, backend, TinyTask.threes().withHeldOut(threes), 1, Listener.NONE));
      assertSays(
          "two classes or more",
          () -> RandomLabel.published().forget(single, backend, only, 1, Listener.NONE));
    }
  }

  private static void assertSays(String words, Executable refused) {
    IllegalArgumentException found = assertThrows(IllegalArgumentException.class, refused);
    assertTrue(found.getMessage().contains(words), found.getMessage());
  }
}
