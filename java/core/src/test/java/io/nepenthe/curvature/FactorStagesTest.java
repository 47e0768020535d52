package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.DataException;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Safetensors;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.data.SafetensorsType;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Progress;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Stages in files: partitions, resumption, order of features, refusals. */
class FactorStagesTest {
  private static final int SAMPLES = 200;
  private static final Normalisation PLAIN = Normalisation.identity(2);

  private static Backend backend;
  private static Model model;
  private static Dataset data;

  @TempDir private Path folder;

  /** Hears nothing, or ends the run after so many batches. */
  record Heard(long[] left) implements StageListener {
    static final class Interrupted extends RuntimeException {
      private static final long serialVersionUID = 1L;
    }

    @Override
    public void skipped(Path file) {}

    @Override
    public void wrote(Path file) {}

    @Override
    public void progress(String stage, long done, long total) {
      if (left[0]-- == 0) {
        throw new Interrupted();
      }
    }
  }

  @BeforeAll
  static void make() {
    backend = Device.cpu(1).open();
    model = Model.initialise(CurvatureNets.all(), 3);
    data = CurvatureNets.data(SAMPLES);
  }

  @AfterAll
  static void close() {
    model.close();
    backend.close();
  }

  private static final FactorOptions OPTIONS =
      FactorOptions.defaults().withBatchSize(16).withSeed(9);

  private static FactorStages stages(StageOptions where, FactorOptions options, long batches) {
    StageListener listener = new Heard(new long[] {batches});
    return new FactorStages(
        model, backend, data, PLAIN, options, FileLayout.ENGINE, where, listener);
  }

  private static Path whole(Path folder, FactorOptions options) {
    FactorStages stages = stages(StageOptions.in(folder), options, -1);
    assertTrue(stages.covariance());
    stages.eigen();
    assertTrue(stages.lambda());
    return folder;
  }

  private static void assertSameFiles(Path expected, Path actual) throws IOException {
    try (Stream<Path> files = Files.list(expected)) {
      List<Path> all = files.sorted().toList();
      assertEquals(3, all.size());
      for (Path file : all) {
        Path other = actual.resolve(file.getFileName());
        assertEquals(-1, Files.mismatch(file, other), file.toString());
      }
    }
    try (Stream<Path> files = Files.list(actual)) {
      assertEquals(3, files.count(), "nothing else is left");
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Labels.class,
      names = {"NONE"},
      mode = EnumSource.Mode.EXCLUDE)
  void theFilesGiveTheSameCurvatureAsMemory(Labels labels) {
    FactorOptions options = OPTIONS.withFisher(labels);
    whole(folder, options);
    try (KroneckerFactors factors =
            KroneckerFactors.of(model, backend, data, PLAIN, options, Progress.NONE);
        EkFac expected = EkFac.of(factors, model, backend, data, PLAIN, Progress.NONE);
        EkFac read = FactorStages.read(folder, model, PLAIN, FileLayout.ENGINE)) {
      for (ParameterBlock block : expected.blocks()) {
        same(expected.eigenvalues(block), read.eigenvalues(block));
        same(expected.kroneckerEigenvalues(block), read.kroneckerEigenvalues(block));
        if (!block.isDiagonal()) {
          same(expected.inputVectors(block), read.inputVectors(block));
          same(expected.gradientVectors(block), read.gradientVectors(block));
        }
      }
    }
  }

  private static void same(Tensor expected, Tensor actual) {
    assertEquals(expected.shape(), actual.shape());
    assertEquals(-1, expected.segment().mismatch(actual.segment()));
  }

  @Test
  void partitionsMergeToTheBytesOfOneRun() throws IOException {
    FactorOptions options = OPTIONS.withSeparateBias().withReduce();
    Path expected = whole(folder.resolve("one"), options);
    for (int partitions : new int[] {2, 3, 4}) {
      Path shared = folder.resolve("of" + partitions);
      for (boolean lambda : new boolean[] {false, true}) {
        for (int i = partitions; i >= 1; i--) {
          FactorStages part =
              stages(StageOptions.in(shared).withPartition(i, partitions), options, -1);
          assertEquals(lambda, part.covariance());
          if (lambda) {
            part.eigen();
            assertFalse(part.lambda());
          }
        }
        StageMerge.all(shared, new Heard(new long[] {-1}));
      }
      assertSameFiles(expected, shared);
    }
  }

  @Test
  void filesAreNamedTheSameInEveryLanguage() {
    Locale before = Locale.getDefault();
    try {
      Locale.setDefault(Locale.of("ar", "EG"));
      Path piece = new StageFolder(folder).piece("covariance", 0, 12);
      assertEquals("covariance.01-of-12.safetensors", piece.getFileName().toString());
    } finally {
      Locale.setDefault(before);
    }
  }

  @Test
  void anInterruptedRunGoesOnToTheSameBytes() throws IOException {
    Path expected = whole(folder.resolve("one"), OPTIONS);
    for (int after = 0; after < 36; after += 11) {
      Path broken = folder.resolve("after" + after);
      StageOptions often = new StageOptions(broken, 1, 1, Duration.ZERO, true);
      FactorStages first = stages(often, OPTIONS, after);
      assertThrows(
          Heard.Interrupted.class,
          () -> {
            first.covariance();
            first.eigen();
            first.lambda();
          });
      // As a process leaves it that is killed while it writes.
      Files.createDirectories(broken);
      Files.writeString(broken.resolve(".lambda.safetensors.1-a.tmp"), "half");
      whole(broken, OPTIONS);
      assertSameFiles(expected, broken);
    }
  }

  @Test
  void aCheckpointIsNotOverwrittenUnasked() {
    StageOptions often = new StageOptions(folder, 1, 1, Duration.ZERO, true);
    FactorStages broken = stages(often, OPTIONS, 3);
    assertThrows(Heard.Interrupted.class, broken::covariance);
    FactorStages again = stages(new StageOptions(folder, 1, 1, Duration.ZERO, false), OPTIONS, -1);
    refused(again::covariance, "covariance.checkpoint.safetensors", "resumed", "sample 32");
    FactorStages other = stages(often, OPTIONS.withBatchSize(8), -1);
    refused(other::covariance, "batch_size = 8", "batch_size = 16");
  }

  @Test
  void theSameWeightsInAnotherNetworkAreSomethingElse() {
    Layer.Linear first = new Layer.Linear("fc1", 84, 5, true);
    Layer.Linear second = new Layer.Linear("fc2", 5, CurvatureNets.CLASSES, true);
    Network.Builder plain = Network.builder(CurvatureNets.INPUT).then(new Layer.Flatten());
    try (Model bent = Model.initialise(CurvatureNets.mlp(5), 1);
        Model straight = Model.initialise(plain.then(first).then(second).build(), 1)) {
      Map<String, String> expected =
          FactorStages.origin(bent, PLAIN, FileLayout.ENGINE, FactorOptions.defaults());
      Map<String, String> found =
          FactorStages.origin(straight, PLAIN, FileLayout.ENGINE, FactorOptions.defaults());
      assertEquals(expected.get("model"), found.get("model"), "the same weights");
      assertNotEquals(expected, found);
    }
  }

  @Test
  void filesOfSomethingElseAreRefusedWithBothValues() throws IOException {
    whole(folder, OPTIONS);
    StageOptions here = StageOptions.in(folder);
    refused(() -> stages(here, OPTIONS.withSeed(4), -1).covariance(), "seed = 4", "seed = 9");
    refused(
        () -> stages(here, OPTIONS.withFisher(Labels.TRUE), -1).eigen(),
        "fisher = true",
        "fisher = sampled");
    refused(
        () ->
            new FactorStages(
                    model,
                    backend,
                    Subset.range(data, 0, 150),
                    PLAIN,
                    OPTIONS,
                    FileLayout.ENGINE,
                    here,
                    new Heard(new long[] {-1}))
                .lambda(),
        "lambda.safetensors",
        "data = ");
    try (Model other = Model.initialise(CurvatureNets.all(), 4)) {
      refused(
          () -> FactorStages.read(folder, other, PLAIN, FileLayout.ENGINE),
          "eigen.safetensors",
          "model = ");
    }
    Path lambda = folder.resolve("lambda.safetensors");
    byte[] bytes = Files.readAllBytes(lambda);
    Files.write(lambda, java.util.Arrays.copyOf(bytes, bytes.length - 100));
    refused(() -> FactorStages.read(folder, model, PLAIN, FileLayout.ENGINE), "lambda.safetensors");
    Files.delete(lambda);
    refused(() -> FactorStages.read(folder, model, PLAIN, FileLayout.ENGINE), "no such file");
  }

  @Test
  void valuesThatCannotBeAreRefusedWithTheirFile() throws IOException {
    whole(folder, OPTIONS);
    Executable read = () -> FactorStages.read(folder, model, PLAIN, FileLayout.ENGINE);
    damaged("lambda", Double.NaN, "expected finite values, found NaN at position 0", read);
    damaged("lambda", -1, "expected sums of squares, found a mean of -", read);
    damaged("lambda", 1e99, "expected sums of squares, found a mean of Infinity", read);
    damaged("eigen", Double.NaN, "expected finite values, found NaN", read);
    Files.delete(folder.resolve("eigen.safetensors"));
    Executable eigen = () -> stages(StageOptions.in(folder), OPTIONS, -1).eigen();
    damaged("covariance", Double.POSITIVE_INFINITY, "found Infinity at position 0", eigen);
  }

  /** With another value at the beginning of its first tensor. */
  private void damaged(String stage, double value, String words, Executable run)
      throws IOException {
    Path file = folder.resolve(stage + ".safetensors");
    byte[] intact = Files.readAllBytes(file);
    ByteBuffer bytes = ByteBuffer.wrap(intact.clone()).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putDouble(8 + (int) bytes.getLong(0), value);
    Files.write(file, bytes.array());
    refused(run, file + ": tensor \"", words);
    Files.write(file, intact);
  }

  @Test
  void whatCannotBeMergedIsTold() throws IOException {
    refused(() -> StageMerge.all(folder, new Heard(new long[] {-1})), "found none");
    for (int i : new int[] {1, 3}) {
      stages(StageOptions.in(folder).withPartition(i, 4), OPTIONS, -1).covariance();
    }
    refused(
        () -> StageMerge.all(folder, new Heard(new long[] {-1})),
        "all 4 chunks of covariance",
        "2 missing: 2, 4");
    Path first = folder.resolve("covariance.01-of-04.safetensors");
    Path second = folder.resolve("covariance.02-of-04.safetensors");
    Path fourth = folder.resolve("covariance.04-of-04.safetensors");
    Files.copy(first, second);
    Files.copy(first, fourth);
    refused(() -> StageMerge.all(folder, new Heard(new long[] {-1})), "chunk = 2 of 4", "1 of 4");
    Path again = Files.copy(first, folder.resolve("covariance.001-of-004.safetensors"));
    refused(() -> StageMerge.all(folder, new Heard(new long[] {-1})), "001-of-004", "another name");
    Files.delete(again);
    IllegalArgumentException many =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                stages(StageOptions.in(folder.resolve("x")).withPartition(5, 5), OPTIONS, -1)
                    .covariance());
    assertEquals("200 samples have at most 4 partitions, found 5", many.getMessage());
    assertThrows(IllegalArgumentException.class, () -> StageOptions.in(folder).withPartition(3, 2));
  }

  /** Of scores, which stand beside each other. */
  @Test
  void matricesThatDoNotStandBesideEachOtherAreRefused() throws IOException {
    for (Shape shape : List.of(Shape.of(), Shape.of(2), Shape.of(0, 1L << 60))) {
      for (int i = 1; i <= 4; i++) {
        try (Arena arena = Arena.ofConfined()) {
          SequencedMap<String, Tensor> tensors = new TreeMap<>();
          tensors.put("all_modules", Tensor.zeros(arena, shape));
          Safetensors.write(
              folder.resolve("scores.0" + i + "-of-04.safetensors"),
              Map.of("chunk", i + " of 4", "merge", "concatenate"),
              tensors);
        }
      }
      refused(
          () -> StageMerge.all(folder, new Heard(new long[] {-1})),
          "scores.01-of-04.safetensors",
          "all_modules as F32",
          "found F32 " + shape);
    }
  }

  @Test
  void aCheckpointThatCountedLessThanNothingIsRefused() throws IOException {
    StageOptions often = new StageOptions(folder, 1, 1, Duration.ZERO, true);
    assertThrows(Heard.Interrupted.class, () -> stages(often, OPTIONS, 5).covariance());
    Path file = folder.resolve("covariance.checkpoint.safetensors");
    try (Arena arena = Arena.ofConfined();
        SafetensorsFile open = SafetensorsFile.open(file)) {
      SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
      for (String name : open.names()) {
        MemorySegment values = open.values(name, arena);
        if (open.type(name) == SafetensorsType.I64) {
          values.set(ValueLayout.JAVA_LONG, 0, -7);
        }
        parts.put(name, new SafetensorsPart(open.type(name), open.shape(name), _ -> values));
      }
      SafetensorsFile.write(file, open.metadata(), parts);
    }
    refused(
        () -> stages(often, OPTIONS, -1).covariance(),
        file.toString(),
        ".counts from 0 on, found -7 and ");
  }

  private static void refused(Executable run, String... words) {
    String message = assertThrows(DataException.class, run).getMessage();
    for (String word : words) {
      assertTrue(message.contains(word), message);
    }
    assertEquals(1, message.lines().count());
  }

  /** Channels first, as ONNX has them. */
  private static final FileLayout CHANNELS_FIRST =
      new FileLayout() {
        @Override
        public String name(String parameter) {
          return "onnx::" + parameter;
        }

        @Override
        public long feature(String weight, long feature) {
          // conv1 has a 3 × 3 kernel over 3 channels.
          return weight.startsWith("conv1.") ? feature % 3 * 9 + feature / 3 : feature;
        }
      };

  @Test
  void filesHaveTheModelFilesNamesAndOrder() {
    FactorStages stages =
        new FactorStages(
            model,
            backend,
            data,
            PLAIN,
            OPTIONS,
            CHANNELS_FIRST,
            StageOptions.in(folder),
            new Heard(new long[] {-1}));
    stages.covariance();
    stages.eigen();
    stages.lambda();
    try (KroneckerFactors factors =
            KroneckerFactors.of(model, backend, data, PLAIN, OPTIONS, Progress.NONE);
        EkFac expected = EkFac.of(factors, model, backend, data, PLAIN, Progress.NONE);
        EkFac read = FactorStages.read(folder, model, PLAIN, CHANNELS_FIRST);
        SafetensorsFile file = SafetensorsFile.open(folder.resolve("covariance.safetensors"));
        Arena arena = Arena.ofConfined()) {
      ParameterBlock conv =
          expected.blocks().stream()
              .filter(b -> b.name().equals("conv1"))
              .findFirst()
              .orElseThrow();
      double[] inside = factors.inputFactor(conv, 0);
      String name = "activation_covariance.onnx::conv1.weight";
      MemorySegment outside = file.values(name, arena);
      int n = 28;
      double[] found = new double[n * n];
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          // Feature (kernel row r, column c, channel k) at (r·3 + c)·3 + k inside.
          int row = i == 27 ? 27 : i % 3 * 9 + i / 3;
          int column = j == 27 ? 27 : j % 3 * 9 + j / 3;
          found[i * n + j] =
              outside.getAtIndex(ValueLayout.JAVA_DOUBLE, row * n + column) / factors.rows(conv);
        }
      }
      assertArrayEquals(inside, found);
      same(expected.inputVectors(conv), read.inputVectors(conv));
      assertEquals(
          SAMPLES, file.integers("num_gradient_covariance_processed.onnx::conv1.weight", 1)[0]);
    }
  }

  @Test
  void chunksCoverTheSamplesOnce() {
    for (long samples : new long[] {1, 63, 64, 65, 200, 1024, 1025, 60_000}) {
      Chunks chunks = Chunks.of(samples);
      long at = 0;
      for (int chunk = 0; chunk < chunks.count(); chunk++) {
        assertEquals(at, chunks.first(chunk));
        assertTrue(chunks.end(chunk) > at);
        at = chunks.end(chunk);
      }
      assertEquals(samples, at);
      for (int partitions = 1; partitions <= chunks.count(); partitions++) {
        assertEquals(0, chunks.firstOf(0, partitions));
        assertEquals(chunks.count(), chunks.firstOf(partitions, partitions));
        for (int i = 0; i < partitions; i++) {
          assertTrue(chunks.firstOf(i, partitions) < chunks.firstOf(i + 1, partitions));
        }
      }
    }
  }
}
