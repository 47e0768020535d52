package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Safetensors;
import io.nepenthe.kernel.MaskStack;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Parameters;
import io.nepenthe.tensor.Tensor;
import io.nepenthe.unlearn.Saliency;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** SalUn's saliency of every weight, or the mask made of it, on its own. */
@Command(
    name = "saliency",
    description = {
      "Computes how salient every weight is to some data: the absolute value of the summed gradient",
      "of the loss (SalUn). With --ratio the mask of the most salient weights of all, 1 or 0 each.",
      "One tensor an ONNX initialiser, under its name."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe saliency --model model.onnx --data glyphs:train#@forget.txt --ratio 0.5 \\",
      "      --out mask.safetensors"
    })
final class SaliencyCommand extends Operation {
  @Mixin private ModelOptions model;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "The data to be forgotten.")
  private String data;

  @Option(
      names = "--ratio",
      paramLabel = "R",
      description = "Write the mask of this share of the weights instead, from 0 to 1.")
  private Double ratio;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Where to write the safetensors file.")
  private Path out;

  @Override
  void run(Run run) {
    if (ratio != null && !(ratio >= 0 && ratio <= 1)) {
      throw new ParameterException(spec.commandLine(), "--ratio takes 0 to 1");
    }
    run.writes(out);
    try (ModelFile file = model.read(run);
        Arena arena = Arena.ofConfined()) {
      Dataset dataset = run.phase("read", () -> run.data(data));
      Saliency saliency =
          run.phase(
              "saliency",
              "saliency",
              dataset.size(),
              "images",
              progress ->
                  Saliency.of(
                      file.model(),
                      run.backend(),
                      dataset,
                      file.normalisationFor(dataset),
                      new CrossEntropy(),
                      progress));
      try (saliency) {
        Parameters values = saliency.values();
        long selected = ratio == null ? absolute(values) : mask(saliency, arena);
        run.phase(
            "write",
            () -> Safetensors.write(out, metadata(dataset), file.onnx().toOnnx(values, arena)));
        run.result()
            .json()
            .put("samples", dataset.size())
            .put("parameters", values.count())
            .put("selected", selected);
        run.say(
            "%s of %s weights, over %s samples",
            Text.count(selected), Text.count(values.count()), Text.count(dataset.size()));
      }
      run.result().output(out);
      run.say("%s", out);
    }
  }

  /** Drops the signs; all weights count as selected. */
  private static long absolute(Parameters values) {
    Tensor flat = values.flat();
    for (long j = 0; j < values.count(); j++) {
      flat.set(j, Math.abs(flat.get(j)));
    }
    return values.count();
  }

  /** Puts the mask in the place of the values; returns how many weights it takes. */
  private long mask(Saliency saliency, Arena arena) {
    MaskStack masks = saliency.masks(arena, ratio);
    Tensor flat = saliency.values().flat();
    long selected = 0;
    for (long j = 0; j < flat.elements(); j++) {
      boolean set = masks.mask(0).get(0, j);
      flat.set(j, set ? 1 : 0);
      selected += set ? 1 : 0;
    }
    return selected;
  }

  private Map<String, String> metadata(Dataset dataset) {
    Map<String, String> metadata = new TreeMap<>();
    metadata.put("statistic", ratio == null ? "saliency" : "saliencyMask");
    metadata.put("samples", Long.toString(dataset.size()));
    if (ratio != null) {
      metadata.put("ratio", ratio.toString());
    }
    return metadata;
  }
}
