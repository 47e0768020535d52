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
          new Entry("ssd", "SSD, searched", SearchedSsd.defaults()),
          new Entry("ssd-published", "SSD, α = 10", FixedSsd.published()),
          new Entry("lfssd", "Label-free SSD", FixedSsd.labelFree()));

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
