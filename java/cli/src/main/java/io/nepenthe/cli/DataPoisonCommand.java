package io.nepenthe.cli;

import io.nepenthe.data.Amount;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.IdList;
import io.nepenthe.data.InterclassConfusion;
import io.nepenthe.data.LabelNoise;
import io.nepenthe.data.Manipulated;
import io.nepenthe.data.Manipulation;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Writes a poisoned copy of a data set, and which images were manipulated. */
@Command(
    name = "poison",
    description = {
      "Writes a poisoned copy of a data set, the ids of all manipulated images",
      "(manipulated.txt) and of those among them that are known (known.txt)."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe data poison --data glyphs:train --kind badnets --target 0 --out poisoned",
      "  nepenthe train --arch lenet --data npz:poisoned/data.npz --out poisoned/model.onnx"
    })
final class DataPoisonCommand extends Operation {
  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "The clean data, for instance glyphs:train or idx:IMAGES.")
  private String data;

  @Option(
      names = "--kind",
      paramLabel = "KIND",
      required = true,
      description = {
        "badnets: a bright square, and the target's label;",
        "interclass: two classes mistaken for each other;",
        "label-noise: labels of other classes."
      })
  private String kind;

  @Option(
      names = "--amount",
      paramLabel = "N",
      defaultValue = "0.02",
      description = "How many images: a share below 1, or a number (default: 0.02).")
  private String amount;

  @Option(
      names = "--known",
      paramLabel = "SHARE",
      defaultValue = "0.1",
      description = "The share of the manipulated images that is known (default: 0.1).")
  private double known;

  @Option(
      names = "--classes",
      paramLabel = "A,B",
      split = ",",
      description = "interclass: the two classes.")
  private int[] classes;

  @Mixin private Backdoor backdoor;

  @Option(
      names = "--format",
      paramLabel = "F",
      defaultValue = "npz",
      description = "npz, which keeps ids, or idx (default: npz).")
  private DataFormat format;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description = "Where to write data, manipulated.txt and known.txt.")
  private Path out;

  @Override
  void run(Run run) {
    Manipulation manipulation = manipulation();
    if (!(known >= 0 && known <= 1)) {
      throw new ParameterException(spec.commandLine(), "--known takes a share from 0 to 1");
    }
    Outputs.requireFolder(out);
    Dataset clean = run.phase("read", () -> run.data(data));
    Manipulated manipulated =
        run.phase("manipulate", () -> manipulation.apply(clean, known, run.seed()));
    run.writes(out.resolve("manipulated.txt"));
    run.writes(out.resolve("known.txt"));
    run.phase(
        "write",
        () -> {
          format.write(manipulated.dataset(), out, "data", run);
          ids(run, "manipulated.txt", manipulated.manipulatedIds());
          ids(run, "known.txt", manipulated.knownIds());
        });
    run.result()
        .json()
        .putObject("task")
        .put("kind", manipulation.kind())
        .put("known", known)
        .put("poisoned", manipulated.manipulatedIds().length)
        .put("train", clean.size());
  }

  private void ids(Run run, String name, long[] ids) {
    Path file = out.resolve(name);
    IdList.write(file, ids);
    run.result().output(file);
    run.say("%s: %s ids", file, Text.count(ids.length));
  }

  private Manipulation manipulation() {
    try {
      return switch (kind) {
        case "badnets" -> {
          if (backdoor.target == null) {
            throw new IllegalArgumentException("--kind badnets needs --target");
          }
          yield backdoor.of(amount());
        }
        case "interclass" -> {
          if (classes == null || classes.length != 2) {
            throw new IllegalArgumentException("--kind interclass needs --classes A,B");
          }
          yield new InterclassConfusion(classes[0], classes[1], amount());
        }
        case "label-noise" -> new LabelNoise(amount(), LabelNoise.Flip.OTHER_CLASS);
        default ->
            throw new IllegalArgumentException(
                "--kind: expected badnets, interclass or label-noise, found \"" + kind + "\"");
      };
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private Amount amount() {
    if (amount.matches("[0-9]{1,12}") && !amount.equals("0")) {
      return Amount.count(Long.parseLong(amount));
    }
    if (amount.matches("0?\\.[0-9]+|0")) {
      return Amount.fraction(Double.parseDouble(amount));
    }
    throw new IllegalArgumentException(
        "--amount: expected a share below 1 or a number of images, found \"" + amount + "\"");
  }
}
