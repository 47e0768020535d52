package io.nepenthe.detect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.curvature.Damping;
import io.nepenthe.curvature.EkFac;
import io.nepenthe.curvature.FactorOptions;
import io.nepenthe.curvature.InverseCurvature;
import io.nepenthe.curvature.KroneckerFactors;
import io.nepenthe.curvature.Labels;
import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.ImageShape;
import io.nepenthe.data.LabelNoise;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Predictor;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class DetectionTest {
  private static final Extent IMAGE = Extent.image(28, 28, 1);
  private static final BadNets BACKDOOR = BadNets.of(0, Amount.count(40));

  private static Backend backend;
  private static Dataset clean;
  private static Manipulated poisoned;
  private static Dataset data;
  private static Normalisation normalisation;
  private static boolean[] truth;
  private static Model model;

  @BeforeAll
  static void poison() {
    backend = Device.cpu().open();
    clean = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 1500, 3, 0.3);
    poisoned = BACKDOOR.apply(clean, 0, 3);
    data = poisoned.dataset();
    normalisation = Normalisation.of(data);
    truth = new boolean[1500];
    long[] ids = poisoned.manipulatedIds();
    for (int i = 0; i < truth.length; i++) {
      truth[i] = Arrays.binarySearch(ids, data.id(i)) >= 0;
    }
    model = Model.initialise(Architectures.mlp(IMAGE, 10, 32), 3);
    new Trainer(8, 32, Optimiser.adam(1e-3), 3)
        .train(model, backend, data, normalisation, Trainer.Progress.NONE);
  }

  @AfterAll
  static void release() {
    model.close();
    backend.close();
  }

  @Test
  void featuresWhoseCovarianceHasNoRoomAreCounted() {
    IllegalArgumentException refusal =
        assertThrows(
            IllegalArgumentException.class, () -> Features.principal(new double[1][50_000], 1));
    assertTrue(refusal.getMessage().contains("50,000 features"), refusal.getMessage());
    assertTrue(refusal.getMessage().contains("20,000,000,000 bytes"), refusal.getMessage());
  }

  @Test
  void theRuleOnAMatrixMadeByHand() {
    // Four transforms, five examples; -1 counts as below τ = 0, 0 itself does not.
    double[][] delta = {
      {-1, -1, -1, 0, 2},
      {-2, -1, 1, 0, 3},
      {-3, -1, -1, -1, 4},
      {-4, 5, 6, -1, 5}
    };
    Detection strict = DeltaInfluence.rule(delta, 0, 0);
    assertArrayEquals(new boolean[] {true, false, false, false, false}, strict.flagged());
    assertArrayEquals(new double[] {1, -5, -6, 0, -5}, strict.scores());
    Detection one = DeltaInfluence.rule(delta, 0, 1);
    assertArrayEquals(new boolean[] {true, true, false, false, false}, one.flagged());
    Detection two = DeltaInfluence.rule(delta, 0, 2);
    assertArrayEquals(new boolean[] {true, true, true, true, false}, two.flagged());
    // τ itself is not below τ.
    assertArrayEquals(
        new boolean[] {false, false, false, false, false},
        DeltaInfluence.rule(delta, -1, 0).flagged());
    assertArrayEquals(
        new boolean[] {true, false, false, false, false},
        DeltaInfluence.rule(delta, -1, 1).flagged());
    for (int n = 0; n < 5; n++) {
      for (int tolerance = 0; tolerance < 4; tolerance++) {
        int below = 0;
        for (double[] row : delta) {
          below += row[n] < 0.5 ? 1 : 0;
        }
        assertEquals(
            below >= 4 - tolerance, DeltaInfluence.rule(delta, 0.5, tolerance).flagged()[n]);
      }
    }
    assertThrows(IllegalArgumentException.class, () -> DeltaInfluence.rule(delta, 0, 4));
  }

  @Test
  void relativeInfluencesAreDividedByTheRootOfSelfInfluence() {
    DeltaInfluence.Deltas deltas =
        new DeltaInfluence.Deltas(
            new double[] {8, -3, 5}, new double[][] {{-4, 6, 1}}, List.of(), new int[] {2});
    DeltaInfluence.Deltas relative = deltas.relativeTo(new double[] {16, 9, 0});
    assertArrayEquals(new double[] {2, -1, 0}, relative.before());
    assertArrayEquals(new double[] {-1, 2, 0}, relative.delta()[0]);
    assertArrayEquals(new int[] {2}, relative.labels());
    // A positive factor changes no sign: τ = 0 flags the same examples.
    assertArrayEquals(
        DeltaInfluence.rule(deltas.delta(), 0, 0).flagged(),
        DeltaInfluence.rule(relative.delta(), 0, 0).flagged());
  }

  @Test
  void theAucCountsTiesHalf() {
    Detection some = new Detection(new double[] {3, 2, 2, 1}, new boolean[4]);
    assertEquals(1, some.auc(new boolean[] {true, false, false, false}));
    assertEquals(0, some.auc(new boolean[] {false, false, false, true}));
    assertEquals(0.5, some.auc(new boolean[] {false, true, false, false}));
    assertEquals(0.625, some.auc(new boolean[] {true, false, true, false}) - 0.25, 1e-12);
    assertEquals(0.5, some.recallAt(0.25, new boolean[] {true, false, true, false}));
    assertThrows(IllegalArgumentException.class, () -> some.auc(new boolean[4]));
  }

  @Test
  void deltaInfluenceFindsAPlantedBackdoorFromOneImage() {
    Dataset test = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, 60, 3, 0.3);
    Dataset affected = BACKDOOR.triggered(test);
    FactorOptions options = FactorOptions.defaults().withFisher(Labels.SAMPLED);
    try (KroneckerFactors factors =
            KroneckerFactors.of(model, backend, data, normalisation, options, Progress.NONE);
        EkFac ekfac = EkFac.of(factors, model, backend, data, normalisation, Progress.NONE);
        InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults())) {
      DeltaInfluence.Deltas deltas =
          DeltaInfluence.of(
              model,
              backend,
              inverse,
              data,
              affected,
              1,
              0,
              normalisation,
              DeltaInfluence.Options.defaults().withSeed(1),
              Progress.NONE);
      DeltaInfluence.Deltas asTheyAre =
          DeltaInfluence.of(
              model,
              backend,
              inverse,
              data,
              affected,
              1,
              0,
              normalisation,
              DeltaInfluence.Options.defaults().withSeed(1).withoutRelation(),
              Progress.NONE);
      assertArrayEquals(
          DeltaInfluence.rule(asTheyAre.delta(), 0, 0).flagged(),
          DeltaInfluence.rule(deltas.delta(), 0, 0).flagged());
      assertEquals(50, deltas.transforms().size());
      for (int label : deltas.labels()) {
        assertTrue(label > 0 && label < 10);
      }
      double auc = DeltaInfluence.rule(deltas.delta(), 0, 5).auc(truth);
      assertTrue(auc > 0.9, "AUC " + auc);
      assertTrue(auc > asTheyAre.plain(0).auc(truth), "plain influence is better");
    }
  }

  @Test
  void whatItIsComparedWithRunsAndSeesSomething() {
    double spectral =
        SpectralSignatures.of(model, backend, data, normalisation, 0.1, Progress.NONE).auc(truth);
    double clusters =
        ActivationClustering.of(model, backend, data, normalisation, 1, Progress.NONE).auc(truth);
    Dataset trusted = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, 400, 3, 0.3);
    double frequency = FrequencyDetector.of(backend, data, trusted, 1).auc(truth);
    assertTrue(spectral > 0.5, "spectral " + spectral);
    assertTrue(clusters > 0.5, "clusters " + clusters);
    assertTrue(frequency > 0.5, "frequency " + frequency);
  }

  @Test
  void lossTrajectoriesSeparateWhatFallsOnAnotherPath() {
    double[][] trusted = {{2, 1, 0.5}, {2.1, 1.2, 0.4}, {1.9, 0.9, 0.6}};
    double[][] examples = {{2, 1, 0.5}, {2, 0.1, 0}, {3, 3, 3}, {2.05, 1.1, 0.5}};
    Detection found =
        LossTrajectories.nearest(
            4,
            3,
            (i, k) -> {
              double sum = 0;
              for (int e = 0; e < 3; e++) {
                sum += Math.pow(examples[(int) i][e] - trusted[(int) k][e], 2);
              }
              return Math.sqrt(sum);
            },
            new LossTrajectories.Options(2, 0.5));
    assertArrayEquals(new boolean[] {false, true, true, false}, found.flagged());
    // Of the first: itself, and 0.1, 0.1, 0.1 away.
    assertEquals(Math.sqrt(0.03) / 2, found.scores()[0], 1e-12);
  }

  /**
   * Wrong labels are hardly learnt; a backdoor is, at once, and this small one leaves the path of
   * clean images too little to be told: over eight draws of the labels its AUC was 0.41 to 0.58.
   */
  @Test
  void lossTrajectoriesFindWrongLabelsBesideABackdoor() {
    Manipulated noisy = LabelNoise.of(0.04).apply(data, 0, 4);
    Dataset both = noisy.dataset();
    long[] wrong = noisy.manipulatedIds();
    Detection found =
        LossTrajectories.of(
            Architectures.mlp(IMAGE, 10, 32),
            backend,
            both,
            Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TEST, 150, 3, 0.3),
            normalisation,
            new Trainer(10, 32, Optimiser.adam(1e-3), 3),
            LossTrajectories.Options.defaults(),
            Trainer.Progress.NONE);
    assertEquals(150, found.count());
    boolean[] noise = new boolean[truth.length];
    boolean[] any = new boolean[truth.length];
    for (int i = 0; i < noise.length; i++) {
      noise[i] = Arrays.binarySearch(wrong, both.id(i)) >= 0;
      any[i] = noise[i] || truth[i];
    }
    String aucs = "any " + found.auc(any) + ", labels " + found.auc(noise);
    assertTrue(found.auc(noise) > 0.95 && found.auc(any) > 0.7, aucs);
  }

  @Test
  void aRecorderHasTheLossesOfTheModelAfterEachEpoch() {
    Dataset some = Subset.range(clean, 0, 299);
    double[] mean = new double[3];
    try (Model trained = Model.initialise(Architectures.mlp(IMAGE, 10, 8), 3);
        Predictor predictor = new Predictor(trained, backend, 64);
        LossRecorder recorder = new LossRecorder(trained, backend, some, normalisation, 3)) {
      new Trainer(3, 32, Optimiser.adam(1e-3), 3)
          .train(
              trained,
              backend,
              some,
              normalisation,
              epoch -> {
                recorder.finished(epoch);
                mean[epoch.epoch()] = predictor.evaluate(some, normalisation).meanLoss();
              });
      assertEquals(3, recorder.epochs());
      for (int epoch = 0; epoch < 3; epoch++) {
        double sum = 0;
        for (int i = 0; i < 300; i++) {
          sum += recorder.loss(i, epoch) / 300;
        }
        assertEquals(mean[epoch], sum, 1e-5 * mean[epoch]);
      }
      double first = recorder.loss(7, 0) - recorder.loss(9, 0);
      double second = recorder.loss(7, 1) - recorder.loss(9, 1);
      double third = recorder.loss(7, 2) - recorder.loss(9, 2);
      assertEquals(
          Math.sqrt(first * first + second * second + third * third),
          recorder.distance(7, 9),
          1e-6);
    }
  }

  @Test
  void transformsDependOnTheSeedOnlyAndStayInRange() {
    ImageShape colour = new ImageShape(9, 7, 3);
    float[] pixels = new float[9 * 7 * 3];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = i % 11 / 10f;
    }
    float[] kept = pixels.clone();
    List<String> kinds = new ArrayList<>();
    for (int k = 0; k < 60; k++) {
      Transform transform = Transform.draw(5, k, colour);
      assertEquals(transform, Transform.draw(5, k, colour));
      kinds.add(transform.getClass().getSimpleName());
      for (float value : transform.apply(pixels, colour)) {
        assertTrue(value >= -1e-6 && value <= 1 + 1e-6, transform + " gives " + value);
      }
    }
    assertArrayEquals(kept, pixels);
    assertEquals(7, kinds.stream().distinct().count());
    ImageShape row = new ImageShape(1, 3, 1);
    assertArrayEquals(
        new float[] {3, 2, 1}, new Transform.Flip().apply(new float[] {1, 2, 3}, row));
    assertArrayEquals(
        new float[] {1, 2, 3}, new Transform.Affine(0, 1, 0).apply(new float[] {1, 2, 3}, row));
  }

  @Test
  void scoresWithoutAnOrderAreRefusedAndZerosAreEqual() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new Detection(new double[] {1, Double.NaN, 2}, new boolean[3]));
    Detection zeros = new Detection(new double[] {-0.0, 0.0, -0.0}, new boolean[3]);
    assertArrayEquals(new int[] {0, 1, 2}, zeros.order());
    assertEquals(0.5, zeros.auc(new boolean[] {true, false, true}));
  }

  @Test
  void imagesOfAnotherShapeAreNotTrusted() {
    Dataset wide =
        new HeldImages("wide", new ImageShape(1, 2, 1), List.of("0"), List.of(), new int[0]);
    IllegalArgumentException refused =
        assertThrows(
            IllegalArgumentException.class, () -> FrequencyDetector.of(backend, data, wide, 1));
    assertTrue(refused.getMessage().contains("28×28×1"), refused.getMessage());
  }
}
