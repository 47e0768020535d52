package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.curvature.Weighting;
import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Dampen;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Ssd;
import io.nepenthe.unlearn.SsdSearch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The demonstration: a network is trained on generated digits of which an attacker poisoned a few;
 * a tenth of these are found; the network is made to forget them, and with them the backdoor.
 */
final class Demo {
  private final Run run;
  private final Settings settings;

  /**
   * What to do.
   *
   * @param train training images
   * @param test test images
   * @param heldOut trusted images for choosing how strongly to dampen, in neither of the others
   * @param poisoned the share of the training images that is poisoned
   * @param known the share of the poisoned ones that is known
   * @param target the class that the backdoor gives
   * @param epochs of training
   * @param batchSize images a step
   * @param rate Adam's learning rate at first; it falls to 0 along a cosine
   * @param seed decides everything random
   * @param search of how strongly to dampen
   */
  record Settings(
      long train,
      long test,
      long heldOut,
      double poisoned,
      double known,
      int target,
      int epochs,
      int batchSize,
      double rate,
      long seed,
      SsdSearch search) {
    static Settings of(long train, long test, int epochs, long seed) {
      long heldOut = Math.min(2_000, train / 5);
      return new Settings(
          train, test, heldOut, 0.02, 0.1, 0, epochs, 32, 2e-3, seed, SsdSearch.defaults());
    }

    Settings withSearch(SsdSearch other) {
      return new Settings(
          train, test, heldOut, poisoned, known, target, epochs, batchSize, rate, seed, other);
    }
  }

  /**
   * The data.
   *
   * @param training the poisoned training images, and the truth about them
   * @param test clean
   * @param heldOut clean
   * @param normalisation of the training images
   */
  record Data(
      BadNets backdoor,
      Manipulated training,
      Dataset test,
      Dataset heldOut,
      Normalisation normalisation) {}

  /**
   * The model after SSD.
   *
   * @param found how the strength was chosen
   * @param dampened what was done to each parameter
   */
  record Forgotten(Portrayed model, SsdSearch.Found found, Ssd.Outcome dampened) {}

  /**
   * What was dampened of a parameter.
   *
   * @param parameters how many weights it has
   * @param selected how many of them were scaled down
   * @param zeroed how many of these are zero now
   */
  record Layer(String name, long parameters, long selected, long zeroed) {
    double share() {
      return (double) selected / parameters;
    }
  }

  /**
   * Everything there is to report. It owns the models.
   *
   * @param task what the models are measured on
   */
  record Outcome(
      Settings settings, Data data, Task task, Portrayed before, Forgotten ssd, Portrayed retrain)
      implements AutoCloseable {
    /** All models, the one before first. */
    List<Portrayed> models() {
      return List.of(before, ssd.model, retrain);
    }

    /** What was dampened, by parameter. */
    List<Layer> layers() {
      List<Layer> layers = new ArrayList<>();
      for (Parameters.Parameter parameter : ssd.model.file().model().parameters().all()) {
        String name = parameter.spec().name();
        Dampen.Result result = ssd.dampened.parameters().get(name);
        layers.add(
            new Layer(name, parameter.value().elements(), result.selected(), result.zeroed()));
      }
      return layers;
    }

    @Override
    public void close() {
      models().forEach(model -> model.file().close());
    }
  }

  Demo(Run run, Settings settings) {
    this.run = run;
    this.settings = settings;
  }

  /**
   * Does it all.
   *
   * @throws Traces.Unusable if no strength of dampening keeps the accuracy: there is no story then
   */
  Outcome outcome() {
    run.progress()
        .start("draw digits", settings.train + settings.heldOut + settings.test, "images");
    Data data = run.phase("data", this::data);
    run.progress().to(settings.train + settings.heldOut + settings.test);
    Task task =
        new Task(
            Optional.of(data.test),
            Optional.of(data.training.known()),
            Optional.of(data.training.retained()),
            Optional.empty(),
            Optional.of(data.backdoor),
            Optional.empty());
    Portrayed before = train("train", "before", data, data.training.dataset(), task);
    Forgotten ssd = forget(data, before.file().model(), task);
    Portrayed retrain = train("retrain", Chosen.STANDARD, data, data.training.retained(), task);
    return new Outcome(settings, data, task, before, ssd, retrain);
  }

  private Data data() {
    // One pool, so that the held-out images are none of the training images.
    Dataset pool =
        Glyphs.draw(
            Glyphs.Alphabet.DIGITS,
            Glyphs.Split.TRAIN,
            settings.train + settings.heldOut,
            settings.seed);
    BadNets backdoor = BadNets.of(settings.target, Amount.fraction(settings.poisoned));
    Manipulated training =
        backdoor.apply(Subset.range(pool, 0, settings.train - 1), settings.known, settings.seed);
    return new Data(
        backdoor,
        training,
        Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, settings.test, settings.seed),
        Subset.range(pool, settings.train, settings.train + settings.heldOut - 1),
        Normalisation.of(training.dataset()));
  }

  private Portrayed train(String phase, String name, Data data, Dataset images, Task task) {
    Network network =
        Architectures.lenet(
            Extent.image(
                images.image().height(), images.image().width(), images.image().channels()),
            images.classes());
    Model model = Model.initialise(network, settings.seed);
    Trainer trainer =
        new Trainer(
            settings.epochs,
            settings.batchSize,
            Optimiser.adam(settings.rate),
            new Schedule.Cosine(0),
            new CrossEntropy(),
            settings.seed);
    long start = System.nanoTime();
    run.train(phase, trainer, model, images, data.normalisation, Trainer.Progress.NONE);
    ObjectNode seconds = seconds(System.nanoTime() - start);
    seconds.put("training", seconds.get("total").asDouble());
    String title = name.equals(Chosen.STANDARD) ? Methods.named(name).title() : "Before";
    return measured(name, title, ModelFile.of(model, data.normalisation), task, seconds);
  }

  private Portrayed measured(
      String name, String title, ModelFile file, Task task, ObjectNode seconds) {
    Observed observed = run.phase("evaluate", () -> task.observe(file, run.backend()));
    ObjectNode metrics = JsonNodeFactory.instance.objectNode();
    Metrics.rates(observed, metrics);
    observed.classes(task.classNames(), metrics);
    return new Portrayed(name, title, file, observed, metrics, seconds);
  }

  private static ObjectNode seconds(long nanoseconds) {
    return JsonNodeFactory.instance.objectNode().put("total", nanoseconds / 1e9);
  }

  private Forgotten forget(Data data, Model trained, Task task) {
    ProgressBar bar = run.progress();
    long start = System.nanoTime();
    try (FisherDiagonal retained = fisher(data, trained, data.training.retained(), "retained");
        FisherDiagonal known = fisher(data, trained, data.training.known(), "known");
        FisherDiagonal whole = retained.union(known)) {
      long counted = System.nanoTime();
      bar.start("choose strength", 0, "");
      SsdSearch.Found found =
          run.phase(
              "search",
              () ->
                  settings.search.search(
                      trained,
                      run.backend(),
                      whole,
                      known,
                      data.heldOut,
                      data.training.known(),
                      data.normalisation));
      Traces.requireGood(
          found.verdict(), "ssd", "more images (--train) or longer training (--epochs)");
      long searched = System.nanoTime();
      Model model = trained.copy();
      Ssd.Outcome dampened =
          run.phase("dampen", () -> Ssd.apply(model, run.backend(), whole, known, found.chosen()));
      long updated = System.nanoTime();
      bar.finish();
      ObjectNode seconds =
          seconds(updated - start)
              .put("statistics", (counted - start) / 1e9)
              .put("search", (searched - counted) / 1e9)
              .put("updates", (updated - searched) / 1e9);
      ModelFile file = ModelFile.of(model, data.normalisation);
      return new Forgotten(measured("ssd", "SSD", file, task, seconds), found, dampened);
    }
  }

  private FisherDiagonal fisher(Data data, Model model, Dataset images, String which) {
    return run.phase(
        "fisher",
        "importance, " + which,
        images.size(),
        "images",
        progress ->
            FisherDiagonal.of(
                model,
                run.backend(),
                images,
                data.normalisation,
                FisherDiagonal.Options.defaults().withWeighting(Weighting.UNIT),
                progress));
  }
}
