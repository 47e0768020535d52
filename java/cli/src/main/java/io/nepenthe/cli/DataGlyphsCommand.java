package io.nepenthe.cli;

import io.nepenthe.data.Glyphs;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Writes a generated data set. */
@Command(
    name = "glyphs",
    description = {
      "Draws digits or letters, 28×28 grey, as hand-written ones, and writes them.",
      "The same seed draws the same images on every machine."
    },
    footerHeading = "%nExample:%n",
    footer = "  nepenthe data glyphs --train 10000 --test 2000 --out digits")
final class DataGlyphsCommand extends Operation {
  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description = "Where to write train and test images.")
  private Path out;

  @Option(
      names = "--train",
      paramLabel = "N",
      defaultValue = "10000",
      description = "Training images (default: 10000).")
  private long train;

  @Option(
      names = "--test",
      paramLabel = "N",
      defaultValue = "2000",
      description = "Test images (default: 2000).")
  private long test;

  @Option(
      names = "--alphabet",
      paramLabel = "A",
      defaultValue = "digits",
      description = "digits, letters or all (default: digits).")
  private Glyphs.Alphabet alphabet;

  @Option(
      names = "--format",
      paramLabel = "F",
      defaultValue = "idx",
      description = "idx, the format of MNIST, or npz (default: idx).")
  private DataFormat format;

  @Override
  void run(Run run) {
    if (train < 1 || test < 1 || train > 100_000_000 || test > 100_000_000) {
      throw new ParameterException(
          spec.commandLine(), "--train and --test take 1 to 100000000 images");
    }
    Outputs.requireFolder(out);
    draw(run, Glyphs.Split.TRAIN, train, "train");
    draw(run, Glyphs.Split.TEST, test, format == DataFormat.IDX ? "t10k" : "test");
  }

  private void draw(Run run, Glyphs.Split split, long size, String name) {
    run.progress().start("draw " + name, size, "images");
    var dataset = run.phase("draw", () -> Glyphs.draw(alphabet, split, size, run.seed()));
    run.progress().to(size);
    run.progress().finish();
    run.phase("write", () -> format.write(dataset, out, name, run));
  }
}
