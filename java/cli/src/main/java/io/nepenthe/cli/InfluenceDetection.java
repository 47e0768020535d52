package io.nepenthe.cli;

import io.nepenthe.curvature.Influence;
import io.nepenthe.curvature.InfluenceScores;
import io.nepenthe.curvature.Measurement;
import io.nepenthe.curvature.ScoreStages;
import io.nepenthe.curvature.StageOptions;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Safetensors;
import io.nepenthe.detect.DeltaInfluence;
import io.nepenthe.detect.Transform;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/**
 * The influences that Δ-Influence compares, of each affected image: computed in memory, or in
 * stages that leave their files in a folder and can be resumed, partitioned and merged.
 *
 * @param images that show the attack
 * @param labels what the model takes them for
 */
record InfluenceDetection(
    Run run,
    ModelFile file,
    Dataset training,
    Normalisation normalisation,
    CurvatureOptions curvature,
    Influence.Options options,
    Dataset images,
    int[] labels) {
  /** All images; the examples' own influence, which is the same for all, is computed once. */
  List<DeltaInfluence.Deltas> inMemory(
      CurvatureOptions.Held held, IntFunction<DeltaInfluence.Options> settings) {
    List<DeltaInfluence.Deltas> all = new ArrayList<>();
    for (int image = 0; image < labels.length; image++) {
      all.add(inMemory(held, image, settings.apply(image)));
    }
    if (!settings.apply(0).relative()) {
      return all;
    }
    try (InfluenceScores self =
        run.phase(
            "influence",
            "the examples' own influence",
            training.size(),
            "images",
            progress ->
                Influence.self(
                    file.model(),
                    run.backend(),
                    held.inverse(),
                    training,
                    normalisation,
                    options,
                    progress))) {
      double[] own = DeltaInfluence.row(self.raw(), 0);
      return all.stream().map(deltas -> deltas.relativeTo(own)).toList();
    }
  }

  private DeltaInfluence.Deltas inMemory(
      CurvatureOptions.Held held, int image, DeltaInfluence.Options settings) {
    List<Transform> transforms = new ArrayList<>();
    Dataset queries = DeltaInfluence.queries(images, image, labels[image], settings, transforms);
    try (InfluenceScores scores =
        run.phase(
            "influence",
            "influence of image %d of %d".formatted(image + 1, labels.length),
            training.size(),
            "images",
            progress ->
                Influence.pairwise(
                    file.model(),
                    run.backend(),
                    held.inverse(),
                    queries,
                    Measurement.MARGIN,
                    training,
                    normalisation,
                    options,
                    progress))) {
      return DeltaInfluence.deltas(scores.raw(), queries, transforms);
    }
  }

  /** The folder of an image's stages; that of the examples' own influence is the one above. */
  static Path folder(Path stages, int image) {
    return stages.resolve("image-" + (image + 1));
  }

  /** The stages of the folder above, for all images. */
  ScoreStages stages(CurvatureOptions.Held held, StageOptions where) {
    return curvature.stages(run, file, held, training, normalisation, options, where);
  }

  /**
   * In stages.
   *
   * @param stages of all images
   * @param above their folder
   * @return empty if other partitions are still to be computed
   */
  Optional<DeltaInfluence.Deltas> inStages(
      ScoreStages stages, Path above, int image, DeltaInfluence.Options settings) {
    List<Transform> transforms = new ArrayList<>();
    Dataset queries = DeltaInfluence.queries(images, image, labels[image], settings, transforms);
    Path own = folder(above, image);
    boolean complete =
        run.phase("influence", () -> stages.in(own).pairwise(queries, Measurement.MARGIN));
    if (settings.relative()) {
      complete &= run.phase("influence", stages::self);
    }
    if (!complete) {
      return Optional.empty();
    }
    try (Arena arena = Arena.ofConfined()) {
      DeltaInfluence.Deltas deltas =
          DeltaInfluence.deltas(scores(own, ScoreStages.PAIRWISE, arena), queries, transforms);
      return Optional.of(
          settings.relative()
              ? deltas.relativeTo(DeltaInfluence.row(scores(above, ScoreStages.SELF, arena), 0))
              : deltas);
    }
  }

  private static Tensor scores(Path folder, String stage, Arena arena) {
    return Safetensors.read(folder.resolve(stage + ".safetensors"), arena).tensor(ScoreFile.ALL);
  }
}
