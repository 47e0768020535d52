package io.nepenthe.unlearn;

import java.util.List;
import java.util.stream.Collectors;

/** All methods by name, each with its published settings. */
public final class Methods {
  /**
   * A method.
   *
   * @param name as the command line takes it
   * @param title for tables and charts
   * @param published with the settings of its paper or its authors' code
   */
  public record Entry(String name, String title, Method published) {}

  private static final List<Entry> ALL =
      List.of(
          new Entry("retrain", "Retraining", new Retrain()),
          new Entry("fine-tune", "Fine-tuning", FineTune.published()),
          new Entry("gradient-ascent", "Gradient ascent", GradientAscent.published()),
          new Entry("neggrad-plus", "NegGrad+", NegGradPlus.published()),
          new Entry("random-label", "Random labels", RandomLabel.published()),
          new Entry("salun", "SalUn", Masked.published()),
          new Entry("l1-sparse", "ℓ1-sparse", L1Sparse.published()),
          new Entry("prune", "Prune, then fine-tune", Prune.published()),
          new Entry("fisher-forgetting", "Fisher forgetting", FisherForgetting.published()),
          new Entry("eu-k", "EU-2", LastLayers.exact(2)),
          new Entry("cf-k", "CF-2", LastLayers.forgetting()),
          new Entry("scrub", "SCRUB", Scrub.published()),
          new Entry("scrub-r", "SCRUB+R", Scrub.published().withRewind()),
          new Entry("bad-teacher", "Bad teacher", BadTeacher.published()),
          new Entry("amnesiac", "Amnesiac", RandomLabel.amnesiac()),
          new Entry("ssd", "SSD, searched", SearchedSsd.defaults()),
          new Entry("ssd-fine-tune", "SSD, then fine-tuning", Sequence.dampenAndRepair()),
          new Entry("ssd-published", "SSD, fixed α", FixedSsd.published()),
          new Entry("lfssd", "Label-free SSD", FixedSsd.labelFree()),
          new Entry("potion", "Outlier-resistant SSD", OutlierResistantSsd.published()),
          new Entry("influence", "Influence, EK-FAC", InfluenceStep.ekfac()),
          new Entry("woodfisher", "Influence, WoodFisher", InfluenceStep.woodfisher()),
          new Entry("iau", "IAU", InfluenceApproximation.published()),
          new Entry("datamodel", "Datamodel matching", DatamodelMatching.defaults()));

  private Methods() {}

  /** All of them, in the order in which tables show them. */
  public static List<Entry> all() {
    return ALL;
  }

  /**
   * The method of that name.
   *
   * @throws IllegalArgumentException if there is none, naming all there are
   */
  public static Entry named(String name) {
    return ALL.stream()
        .filter(entry -> entry.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "no method is named \""
                        + name
                        + "\": expected "
                        + ALL.stream().map(Entry::name).collect(Collectors.joining(", "))));
  }
}
