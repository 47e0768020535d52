package io.nepenthe.unlearn;

import io.nepenthe.kernel.Backend;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;

/**
 * Two methods one after the other, the second on what the first left: what one cuts too deeply, the
 * other repairs. Phases of the same name add up in the trace; of figures of the same name the last
 * is kept.
 *
 * @param first changes the model that is given
 * @param then changes what the first left
 */
public record Sequence(Method first, Method then) implements Method {
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
    return new Sequence(new SearchedSsd(ssd.importance(), wider), FineTune.published());
  }

  @Override
  public boolean needsHeldOut() {
    return first.needsHeldOut() || then.needsHeldOut();
  }

  @Override
  public void require(Network network, Forgetting task) {
    first.require(network, task);
    then.require(network, task);
  }

  @Override
  public Trace forget(Model model, Backend backend, Forgetting task, long seed, Listener listener) {
    Recorder recorder = new Recorder();
    recorder.include(first.forget(model, backend, task, seed, listener));
    recorder.include(then.forget(model, backend, task, seed, listener));
    return recorder.trace();
  }
}
