package io.nepenthe.benchmarks.influence;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.LabelNoise;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.detect.DeltaInfluence;
import io.nepenthe.detect.Detection;
import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * A tenth of the labels wrong, LeNet: how much of it the examples of the highest self-influence
 * hold, after several lengths of training.
 */
final class MislabelFigure implements Figure {
  private static final double WRONG = 0.1;

  /** How much is trained on for how long. */
  private record Case(String name, int examples, int epochs) {}

  private static final List<Case> CASES =
      List.of(
          new Case("60000 examples of 3 epochs", 60_000, 3),
          new Case("10000 examples of 5 epochs", 10_000, 5),
          new Case("10000 examples of 15 epochs", 10_000, 15));

  @Override
  public List<String> parts() {
    return List.of("found");
  }

  @Override
  public List<String> data() {
    List<String> names = new ArrayList<>();
    if (Images.names().contains("mnist")) {
      CASES.forEach(one -> names.add(one.name));
    }
    return names;
  }

  @Override
  public void measure(Backend backend, String data, long seed, Sink sink) {
    Case one = CASES.stream().filter(some -> some.name.equals(data)).findFirst().orElseThrow();
    Dataset clean = Images.of("mnist", one.examples, seed).training();
    Manipulated noisy = LabelNoise.of(WRONG).apply(clean, 0, seed);
    Dataset training = noisy.dataset();
    Normalisation normalisation = Normalisation.of(training);
    boolean[] truth = DetectionFigure.truth(training, noisy.manipulatedIds());
    try (Model model =
        Model.initialise(Architectures.lenet(Extent.image(28, 28, 1), training.classes()), seed)) {
      new Trainer(one.epochs, 64, Optimiser.adam(1e-3), seed)
          .train(model, backend, training, normalisation, Trainer.Progress.NONE);
      FactorOptions options = FactorOptions.defaults().withBatchSize(256);
      try (EkFac ekfac = Curvatures.ekfac(model, backend, training, normalisation, options);
          InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
          InfluenceScores self =
              Influence.self(
                  model,
                  backend,
                  inverse,
                  training,
                  normalisation,
                  Influence.Options.defaults(),
                  Progress.NONE)) {
        double[] scores = DeltaInfluence.row(self.raw(), 0);
        Detection found = new Detection(scores, new boolean[scores.length]);
        SequencedMap<String, Double> values = new LinkedHashMap<>();
        values.put("examples", (double) one.examples);
        values.put("epochs", (double) one.epochs);
        values.put("auc", found.auc(truth));
        values.put("within10", found.recallAt(0.1, truth));
        values.put("within20", found.recallAt(0.2, truth));
        sink.add("found", values);
      }
    }
  }
}
