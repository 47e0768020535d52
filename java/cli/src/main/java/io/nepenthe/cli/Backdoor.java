package io.nepenthe.cli;

import io.nepenthe.data.Amount;
import io.nepenthe.data.BadNets;
import picocli.CommandLine.Option;

/** The options that say what a backdoor's square looks like and does. */
final class Backdoor {
  @Option(
      names = "--target",
      paramLabel = "C",
      description = "badnets: the class that the square gives.")
  Integer target;

  @Option(
      names = "--patch",
      paramLabel = "N",
      defaultValue = "3",
      description = "badnets: the square's side in pixels (default: 3).")
  private int patch;

  @Option(
      names = "--corner",
      paramLabel = "WHERE",
      defaultValue = "bottom_right",
      description = "badnets: top_left, top_right, bottom_left, bottom_right (the default).")
  private BadNets.Corner corner;

  @Option(
      names = "--value",
      paramLabel = "V",
      defaultValue = "1",
      description = "badnets: the square's brightness, from 0 to 1 (default: 1).")
  private float value;

  /** The backdoor, for so many images. */
  BadNets of(Amount amount) {
    return new BadNets(target, amount, patch, corner, value, false);
  }
}
