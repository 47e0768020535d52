package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.DataException;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.SafetensorsDraft;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Passes that read what an earlier one kept: the same bits, without the model or the images. */
class ActivationsTest {
  private static final int SAMPLES = 150;
  private static final int QUERIES = 5;
  private static final Normalisation PLAIN = Normalisation.identity(2);
  private static final TinyData ASKED =
      new TinyData(QUERIES, CurvatureNets.IMAGE, CurvatureNets.CLASSES, 77, 500);
  private static final FactorOptions FACTORS =
      FactorOptions.defaults().withBatchSize(16).withFisher(Labels.EXACT);

  private static Backend backend;
  private static Model model;
  private static EkFac ekfac;
  private static InverseCurvature inverse;

  private final List<String> notes = new ArrayList<>();
  private final CountingData data = new CountingData(CurvatureNets.data(SAMPLES));

  @TempDir private Path folder;

  @BeforeAll
  static void make() {
    backend = Device.cpu(1).open();
    model = Model.initialise(CurvatureNets.all(), 3);
    ekfac = ekfac(new CountingData(CurvatureNets.data(SAMPLES)), FACTORS, Activations.none());
    inverse = InverseCurvature.ekfac(ekfac, Damping.defaults());
  }

  @AfterAll
  static void close() {
    inverse.close();
    ekfac.close();
    model.close();
    backend.close();
  }

  private static EkFac ekfac(CountingData data, FactorOptions options, Activations activations) {
    try (KroneckerFactors factors =
        KroneckerFactors.of(model, backend, data, PLAIN, options, activations, Progress.NONE)) {
      return EkFac.of(factors, model, backend, data, PLAIN, activations, Progress.NONE);
    }
  }

  /** Two queries at once: three groups. */
  private static Influence.Options options(Activations activations) {
    return Influence.Options.defaults()
        .withBatchSize(16)
        .withBlocks()
        .withQueryBytes(2 * Float.BYTES * model.parameters().count())
        .withActivations(activations);
  }

  private InfluenceScores pairs(Activations activations) {
    return Influence.pairwise(
        model,
        backend,
        inverse,
        ASKED,
        Measurement.MARGIN,
        data,
        PLAIN,
        options(activations),
        Progress.NONE);
  }

  private InfluenceScores self(Activations activations) {
    return Influence.self(
        model, backend, inverse, data, PLAIN, options(activations), Progress.NONE);
  }

  private static void same(InfluenceScores expected, InfluenceScores actual) {
    same(expected.raw(), actual.raw());
    expected.blocks().forEach((name, scores) -> same(scores, actual.blocks().get(name)));
  }

  private static void same(Tensor expected, Tensor actual) {
    assertEquals(expected.shape(), actual.shape());
    assertEquals(-1, expected.segment().mismatch(actual.segment()));
  }

  private List<Path> files() throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @Test
  void laterPassesReadWhatTheFirstKept() throws IOException {
    try (InfluenceScores pairs = pairs(Activations.none());
        InfluenceScores self = self(Activations.none())) {
      assertEquals(4, data.passes());
      for (boolean named : new boolean[] {false, true}) {
        Path place = folder.resolve("named-" + named);
        Activations opened =
            named
                ? Activations.in(place, true, notes::add)
                : Activations.temporary(place, notes::add);
        try (Activations kept = opened;
            InfluenceScores keptPairs = pairs(kept);
            InfluenceScores keptSelf = self(kept)) {
          // One through the model; files for later commands have the data's checksum.
          assertEquals(named ? 2 : 1, data.passes());
          same(pairs, keptPairs);
          same(self, keptSelf);
          try (Stream<Path> files = Files.list(place)) {
            assertEquals(named ? 3 : 0, files.count());
          }
        }
      }
      try (Activations kept = Activations.in(folder.resolve("named-true"), false, notes::add);
          InfluenceScores again = pairs(kept)) {
        assertEquals(1, data.passes(), "for the checksum");
        same(pairs, again);
      }
    }
    assertEquals(List.of(), notes);
  }

  @ParameterizedTest
  @EnumSource(
      value = Labels.class,
      names = {"NONE"},
      mode = EnumSource.Mode.EXCLUDE)
  void factorsKeepThemUnlessTheirLabelsAreDrawn(Labels labels) throws IOException {
    FactorOptions options = FACTORS.withFisher(labels).withSeparateBias();
    try (Activations kept = Activations.in(folder, true, notes::add);
        EkFac expected = ekfac(data, options, Activations.none());
        EkFac actual = ekfac(new CountingData(data), options, kept)) {
      boolean drawn = labels == Labels.SAMPLED;
      assertEquals(drawn ? 4 : 2 + 2, data.passes());
      assertEquals(drawn ? 0 : 3, files().size());
      for (ParameterBlock block : expected.blocks()) {
        same(expected.eigenvalues(block), actual.eigenvalues(block));
        same(expected.kroneckerEigenvalues(block), actual.kroneckerEigenvalues(block));
      }
    }
  }

  /** The empirical Fisher information has the scores' gradients. */
  @Test
  void factorsOfTrueLabelsLeaveThemForScores() {
    try (Activations kept = Activations.temporary(folder, notes::add);
        EkFac own = ekfac(data, FACTORS.withFisher(Labels.TRUE), kept)) {
      assertEquals(1, data.passes());
      assertEquals(SAMPLES, own.samples());
      try (InfluenceScores self = self(kept);
          InfluenceScores expected = self(Activations.none())) {
        assertEquals(1, data.passes());
        same(expected, self);
      }
    }
  }

  private ScoreStages scores(StageOptions where, Activations kept, long batches)
      throws IOException {
    Path factors = folder.resolve("factors");
    FactorStages stages =
        new FactorStages(
            model,
            backend,
            data,
            PLAIN,
            FACTORS,
            FileLayout.ENGINE,
            StageOptions.in(factors),
            new FactorStagesTest.Heard(new long[] {-1}));
    stages.covariance();
    stages.eigen();
    stages.lambda();
    return new ScoreStages(
        model,
        backend,
        data,
        PLAIN,
        inverse,
        factors,
        "ekfac",
        Damping.defaults(),
        options(kept),
        FileLayout.ENGINE,
        where,
        new FactorStagesTest.Heard(new long[] {batches}));
  }

  private static void assertSameBytes(Path one, Path other, String stage) throws IOException {
    String name = stage + ".safetensors";
    assertEquals(-1, Files.mismatch(one.resolve(name), other.resolve(name)), name);
  }

  @Test
  void interruptedAndPartitionedStagesEndWithTheSameBytes() throws IOException {
    Path plain = folder.resolve("plain");
    ScoreStages expected = scores(StageOptions.in(plain), Activations.none(), -1);
    assertTrue(expected.pairwise(ASKED, Measurement.LOSS));
    assertTrue(expected.self());
    Path place = folder.resolve("activations");
    for (int after : new int[] {4, 11, 17}) {
      Path broken = folder.resolve("after" + after);
      StageOptions often = new StageOptions(broken, 1, 1, Duration.ZERO, true);
      try (Activations kept = Activations.in(place, true, notes::add)) {
        ScoreStages first = scores(often, kept, after);
        assertThrows(
            FactorStagesTest.Heard.Interrupted.class,
            () -> {
              first.self();
              first.pairwise(ASKED, Measurement.LOSS);
            });
      }
      try (Activations kept = Activations.in(place, true, notes::add)) {
        ScoreStages second = scores(often, kept, -1);
        assertTrue(second.self());
        assertTrue(second.pairwise(ASKED, Measurement.LOSS));
      }
      assertSameBytes(plain, broken, ScoreStages.SELF);
      assertSameBytes(plain, broken, ScoreStages.PAIRWISE);
      try (Stream<Path> files = Files.list(place)) {
        assertEquals(3, files.count(), "nothing unfinished is left");
      }
      if (after == 4) {
        // The next one is killed while it keeps them, those after it find them.
        try (Stream<Path> files = Files.list(place)) {
          files.forEach(StageFolder::delete);
        }
      }
    }
    Path shared = folder.resolve("shared");
    for (int i = 3; i >= 1; i--) {
      try (Activations kept = Activations.in(place, true, notes::add)) {
        scores(StageOptions.in(shared).withPartition(i, 3), kept, -1).self();
      }
    }
    StageMerge.all(shared, new FactorStagesTest.Heard(new long[] {-1}));
    assertSameBytes(plain, shared, ScoreStages.SELF);
  }

  /**
   * As detect runs: the affected images' folders share one preparation, and the examples' own
   * influence.
   */
  @Test
  void stagesReadTheDataNoMoreOftenThanTheyMust() throws IOException {
    for (boolean keeps : new boolean[] {false, true}) {
      Path own = folder.resolve("keeps-" + keeps);
      try (Activations kept = keeps ? Activations.temporary(own, notes::add) : Activations.none()) {
        ScoreStages stages = scores(StageOptions.in(own), kept, -1);
        // A checksum of each pipeline and, the first time, covariance and lambda.
        assertEquals(keeps ? 1 + 1 : 1 + 2 + 1, data.passes());
        for (int image = 1; image <= 2; image++) {
          ScoreStages one = stages.in(own.resolve("image-" + image));
          assertTrue(one.pairwise(ASKED.part(image, image + 2), Measurement.MARGIN));
          assertTrue(stages.self());
        }
        // Two queries fit the memory together: one pass an image, one for the examples' own.
        assertEquals(keeps ? 1 : 2 + 1, data.passes());
        assertTrue(stages.self());
        assertEquals(0, data.passes(), "it is there");
      }
    }
  }

  @Test
  void damagedAndOtherFilesAreRefused() throws IOException {
    try (Activations kept = Activations.in(folder, true, notes::add);
        InfluenceScores expected = self(Activations.none());
        InfluenceScores actual = self(kept)) {
      same(expected, actual);
      assertEquals(3, files().size());
    }
    try (Model other = Model.initialise(CurvatureNets.all(), 4);
        Activations kept = Activations.in(folder, true, notes::add)) {
      refused(
          () -> Influence.self(other, backend, inverse, data, PLAIN, options(kept), Progress.NONE),
          "activations-loss-01-of-03.safetensors",
          "model = ");
    }
    Path second = files().get(1);
    byte[] whole = Files.readAllBytes(second);
    try (RandomAccessFile file = new RandomAccessFile(second.toFile(), "rw")) {
      file.seek(whole.length - 1000);
      file.write(whole[whole.length - 1000] ^ 4);
    }
    try (Activations kept = Activations.in(folder, true, notes::add)) {
      refused(() -> self(kept), second.getFileName().toString(), "checksums", "delete it");
    }
    Files.write(second, java.util.Arrays.copyOf(whole, whole.length - 1));
    try (Activations kept = Activations.in(folder, true, notes::add)) {
      refused(() -> self(kept), second.getFileName().toString());
    }
  }

  @Test
  void noSamplesAreRefused() {
    TinyData none = CurvatureNets.data(0);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            Influence.self(
                model, backend, inverse, none, PLAIN, Influence.Options.defaults(), Progress.NONE));
  }

  private static void refused(org.junit.jupiter.api.function.Executable run, String... words) {
    String message = assertThrows(DataException.class, run).getMessage();
    for (String word : words) {
      assertTrue(message.contains(word), message);
    }
  }

  @Test
  void whereNothingCanBeWrittenPassesGoThroughTheModel() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    for (Activations kept :
        List.of(Activations.in(file, true, notes::add), Activations.temporary(file, notes::add))) {
      try (kept;
          InfluenceScores expected = self(Activations.none());
          InfluenceScores actual = self(kept)) {
        same(expected, actual);
      }
    }
    assertEquals(2, notes.size(), notes.toString());
    assertTrue(notes.getFirst().startsWith("activations are not kept: " + file), notes.toString());
  }

  @Test
  void aDiskThatFillsUpEndsOnlyTheKeeping() {
    Set<String> head = Set.of("head");
    ActivationLayout layout = ActivationLayout.of(model, head, 1);
    try (Arena arena = Arena.ofConfined();
        Activations kept = Activations.temporary(folder, notes::add)) {
      ActivationSet set = kept.of(model, data, PLAIN, head, Influence.LOSS).orElseThrow();
      SafetensorsDraft draft = SafetensorsDraft.unnamed(folder, Map.of(), layout.tensors(1));
      // Writing to it fails then, as to a full disk.
      draft.close();
      int[] heard = {0};
      try (ActivationRecorder recorder = new ActivationRecorder(set, 0, layout, draft)) {
        recorder
            .before((layer, input, gradient) -> heard[0]++)
            .visit(
                model.layers().getLast(),
                Tensor.zeros(arena, 1, 10),
                Tensor.zeros(arena, 1, CurvatureNets.CLASSES));
        recorder.finish();
      }
      assertEquals(1, heard[0]);
      assertEquals(1, notes.size(), notes.toString());
      assertFalse(kept.records());
      assertTrue(set.file(0).isEmpty());
    }
  }

  @Test
  void theRuleComparesReadingWithComputing() {
    long limit = 4_000_000_000L;
    try (Model small = Model.initialise(CurvatureNets.pooledLinear(), 1);
        Model wide = Model.initialise(CurvatureNets.mlp(1024), 1)) {
      FactorOptions options = FactorOptions.defaults();
      // The convolution's 84 inputs and 120 gradients, 4 and 3 of the linear layer: cheap to
      // compute.
      ActivationPlan once = ActivationPlan.scores(small, options, 1000, 1, limit);
      assertEquals(1000 * 4 * (84 + 120 + 4 + 3), once.bytes());
      assertFalse(once.pays());
      assertTrue(once.toString().startsWith("activations are not kept: a pass"), "" + once);
      assertTrue(ActivationPlan.scores(small, options, 1000, 10, limit).pays());
      // 84·1024 forward, 1024·3 both ways, of values 84 twice, 1024 twice and 3.
      ActivationPlan mlp = ActivationPlan.scores(wide, options, 1000, 10, limit);
      assertEquals(1000 * 4 * (84 + 1024 + 1024 + 3), mlp.bytes());
      double operations = 2 * (84 * 1024 + 1024 * 3) + 2 * 1024 * 3;
      double moved = 4 * 5 * (84 + 84 + 1024 + 1024 + 3);
      assertEquals(1000 * (operations / 100e9 + moved / 10e9), mlp.modelSeconds(), 1e-12);
      assertEquals(
          10 * (mlp.modelSeconds() - mlp.bytes() / 5e9) - mlp.bytes() / 1.5e9,
          mlp.savedSeconds(),
          1e-12);
      assertTrue(mlp.pays());
      assertTrue(mlp.toString().startsWith("activations are kept: "), mlp.toString());
      ActivationPlan alone = ActivationPlan.scores(wide, options, 1000, 0, limit);
      assertEquals("activations are not kept: no later pass needs them", alone.toString());
      ActivationPlan large = ActivationPlan.scores(wide, options, 1000, 10, 8_539_999);
      assertEquals(
          "activations are not kept: 8.5 MB, more than the limit of 8.5 MB", large.toString());
      FactorOptions drawn = options.withFisher(Labels.SAMPLED);
      assertEquals(0, ActivationPlan.factors(wide, drawn, 1000, 1, limit).laterPasses());
      ActivationPlan exact =
          ActivationPlan.factors(wide, options.withFisher(Labels.EXACT), 1000, 1, limit);
      assertEquals(1000 * 4 * (84 + 1024 + 3 * (1024 + 3)), exact.bytes());
    }
  }
}
