package io.nepenthe.cli;

import io.nepenthe.curvature.Influence;
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
    Dataset images,
    int[] labels) {
  DeltaInfluence.Deltas inMemory(
      CurvatureOptions.Held held, int image, DeltaInfluence.Options options) {
    return run.phase(
        "influence",
        "influence of image %d of %d".formatted(image + 1, labels.length),
        (options.relative() ? 2 : 1) * training.size(),
        "images",
        progress ->
            DeltaInfluence.of(
                file.model(),
                run.backend(),
                held.inverse(),
                training,
                images,
                image,
                labels[image],
                normalisation,
                options,
                progress));
  }

  /** The folder of an image's stages; that of the examples' own influence is the one above. */
  static Path folder(Path stages, int image) {
    return stages.resolve("image-" + (image + 1));
  }

  /** The stages of the folder above, for all images. */
  ScoreStages stages(CurvatureOptions.Held held, StageOptions where) {
    return curvature.stages(
        run,
        file,
        held,
        training,
        normalisation,
        Influence.Options.defaults().withBatchSize(curvature.batchSize()),
        where);
  }

  /**
   * In stages.
   *
   * @param stages of all images
   * @param above their folder
   * @return empty if other partitions are still to be computed
   */
  Optional<DeltaInfluence.Deltas> inStages(
      ScoreStages stages, Path above, int image, DeltaInfluence.Options options) {
    List<Transform> transforms = new ArrayList<>();
    Dataset queries = DeltaInfluence.queries(images, image, labels[image], options, transforms);
    Path own = folder(above, image);
    boolean complete =
        run.phase("influence", () -> stages.in(own).pairwise(queries, Measurement.MARGIN));
    if (options.relative()) {
      complete &= run.phase("influence", stages::self);
    }
    if (!complete) {
      return Optional.empty();
    }
    try (Arena arena = Arena.ofConfined()) {
      DeltaInfluence.Deltas deltas =
          DeltaInfluence.deltas(scores(own, ScoreStages.PAIRWISE, arena), queries, transforms);
      return Optional.of(
          options.relative()
              ? deltas.relativeTo(DeltaInfluence.row(scores(above, ScoreStages.SELF, arena), 0))
              : deltas);
    }
  }

  private static Tensor scores(Path folder, String stage, Arena arena) {
    return Safetensors.read(folder.resolve(stage + ".safetensors"), arena).tensor(ScoreFile.ALL);
  }
}
