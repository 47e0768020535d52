package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import io.nepenthe.data.Safetensors;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** What a file of statistics holds. */
@Command(
    name = "inspect",
    description = "Prints the metadata of a safetensors file, and each tensor's shape and range.",
    footerHeading = "%nExample:%n",
    footer = "  nepenthe inspect factors.safetensors")
final class InspectCommand extends Operation {
  @Parameters(paramLabel = "FILE", description = "The file.")
  private Path file;

  @Override
  void run(Run run) {
    try (Arena arena = Arena.ofConfined()) {
      Safetensors.Contents contents = run.phase("read", () -> Safetensors.read(file, arena));
      run.result().input(file);
      contents.metadata().forEach((name, value) -> run.say("%s = %s", name, value));
      ArrayNode all = run.result().json().putArray("tensors");
      contents
          .tensors()
          .forEach(
              (name, tensor) -> {
                Range range = Range.of(tensor);
                run.say(
                    "%-40s %-18s %12.5g … %-12.5g mean %.5g%s",
                    name,
                    tensor.shape(),
                    range.least,
                    range.most,
                    range.mean,
                    range.invalid == 0 ? "" : ", not finite: " + range.invalid);
                all.addObject()
                    .put("name", name)
                    .put("shape", tensor.shape().toString())
                    .put("least", range.least)
                    .put("most", range.most)
                    .put("mean", range.mean)
                    .put("notFinite", range.invalid);
              });
    }
  }

  /** Of the finite values. */
  private record Range(double least, double most, double mean, long invalid) {
    static Range of(Tensor tensor) {
      double least = Double.POSITIVE_INFINITY;
      double most = Double.NEGATIVE_INFINITY;
      double sum = 0;
      long invalid = 0;
      for (long i = 0; i < tensor.elements(); i++) {
        double value = tensor.get(i);
        if (Double.isFinite(value)) {
          least = Math.min(least, value);
          most = Math.max(most, value);
          sum += value;
        } else {
          invalid++;
        }
      }
      return new Range(least, most, sum / Math.max(1, tensor.elements() - invalid), invalid);
    }
  }
}
