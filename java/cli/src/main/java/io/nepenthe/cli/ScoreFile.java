package io.nepenthe.cli;

import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Safetensors;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;

/** Scores in a file, in the format that the file's name asks for. */
final class ScoreFile {
  /** The tensor of the scores over all layers. */
  static final String ALL = "all_modules";

  private ScoreFile() {}

  /**
   * Writes them: as CSV or Parquet, a line for each query and example, or as tensors.
   *
   * @param tensors [queries, examples] each; of them CSV and Parquet have {@link #ALL}
   */
  static void write(
      Path out,
      Map<String, String> metadata,
      SequencedMap<String, Tensor> tensors,
      Dataset training) {
    if (out.toString().toLowerCase(Locale.ROOT).endsWith(".csv")) {
      Tensor scores = tensors.get(ALL);
      AtomicFile.write(
          out,
          to -> {
            Writer text = new OutputStreamWriter(to, StandardCharsets.UTF_8);
            csv(scores, training, text);
            text.flush();
          });
      return;
    }
    if (out.toString().toLowerCase(Locale.ROOT).endsWith(".parquet")) {
      AtomicFile.write(out, to -> ParquetScores.write(to, tensors.get(ALL), training, metadata));
      return;
    }
    Safetensors.write(out, metadata, tensors);
  }

  /** Writes the scores of another file of tensors. */
  static void copy(Path from, Path out, Dataset training) {
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.Contents contents = Safetensors.read(from, arena);
      write(out, contents.metadata(), contents.tensors(), training);
    }
  }

  private static void csv(Tensor scores, Dataset training, Writer text) throws IOException {
    long examples = scores.shape().size(1);
    text.write("query,id,score\n");
    for (long i = 0; i < scores.elements(); i++) {
      text.write(i / examples + "," + training.id(i % examples) + "," + scores.get(i) + "\n");
    }
  }
}
