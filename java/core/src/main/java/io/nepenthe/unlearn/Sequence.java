package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import java.util.List;

/**
 * Methods one after another, each on what the one before left: what one cuts too deeply, the next
 * repairs. Phases of the same name add up in the trace; of figures of the same name the last is
 * kept.
 *
 * @param methods at least one
 */
public record Sequence(List<Method> methods) implements Method {
  /** Checks the list and keeps a copy. */
  public Sequence {
    methods = List.copyOf(methods);
    if (methods.isEmpty()) {
      throw new IllegalArgumentException("a sequence needs at least one method");
    }
  }

  /**
   * For what a detector flagged, of which most may be clean: {@link SearchedSsd} that may lose
   * twenty points of held-out accuracy, then {@link FineTune#published()} on the rest.
   *
   * <p>Such a forget set is never recognised as badly as by chance, so {@link SsdSearch} finds no
   * complete cut and takes the strongest tolerated one. With a tolerance of one point, ten images
   * of a thousand, a cut that only just costs that much can end the search before the attack is
   * gone; and fine-tuning after a cut that is only just deep enough brings the attack back, from
   * examples that were not flagged. After a deep cut it brings back accuracy alone. Fine-tuning
   * alone leaves the attack in place.
   */
  public static Sequence dampenAndRepair() {
    SearchedSsd ssd = SearchedSsd.defaults();
    SsdSearch search = ssd.search();
    SsdSearch wider =
        new SsdSearch(
            search.weakest(),
            search.strongest(),
            search.ratio(),
            search.dampening(),
            0.2,
            search.batchSize());
    return new Sequence(List.of(new SearchedSsd(ssd.importance(), wider), FineTune.published()));
  }

  @Override
  public boolean needsHeldOut() {
    return methods.stream().anyMatch(Method::needsHeldOut);
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    Recorder recorder = new Recorder();
    for (Method method : methods) {
      recorder.include(method.forget(model, backend, task, seed, listener));
    }
    return recorder.trace();
  }
}
