package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class SequenceTest {
  /** All of the poison and, as a detector flags them, four times as many clean images. */
  private static Forgetting flagged() {
    long[] poison = TinyTask.POISONED.manipulatedIds();
    long[] clean =
        LongStream.range(0, TinyTask.CLEAN.size())
            .map(TinyTask.CLEAN::id)
            .filter(id -> Arrays.binarySearch(poison, id) < 0)
            .limit(4L * poison.length)
            .toArray();
    long[] ids = LongStream.concat(Arrays.stream(poison), Arrays.stream(clean)).sorted().toArray();
    return Forgetting.ofIds(
            TinyTask.POISONED.dataset(), ids, TinyTask.NORMALISATION, TinyTask.RECIPE)
        .withHeldOut(TinyTask.TRUSTED);
  }

  @Test
  void eachWorksOnWhatTheOneBeforeLeft() {
    Method first = FixedSsd.published();
    Method second = new FineTune(new Steps(1, 64, Optimiser.sgd(0.01, 0.9, 0)));
    Forgetting task = flagged();
    try (Backend backend = Device.cpu(2).open();
        Model expected = TinyTask.model();
        Model model = TinyTask.model()) {
      Trace one = first.forget(expected, backend, task, 5, Listener.NONE);
      Trace two = second.forget(expected, backend, task, 5, Listener.NONE);
      Trace both = new Sequence(first, second).forget(model, backend, task, 5, Listener.NONE);
      assertArrayEquals(
          expected.parameters().flat().toArray(), model.parameters().flat().toArray());
      assertEquals(two.epochs(), both.epochs());
      assertTrue(both.seconds().keySet().containsAll(one.seconds().keySet()));
      assertTrue(both.seconds().keySet().containsAll(two.seconds().keySet()));
      assertEquals(one.figures(), both.figures());
    }
  }

  /** By their records, where both have a name. */
  @Test
  void theSettingsAreThoseOfBoth() {
    Method method = Methods.named("ssd-fine-tune").published();
    assertEquals(Sequence.dampenAndRepair(), method);
    Method changed =
        Settings.with(
            method,
            Map.of(
                "tolerance", "0.1", "searchBatchSize", "9", "stepsBatchSize", "5", "epochs", "2"));
    Sequence sequence = (Sequence) changed;
    assertEquals(0.1, ((SearchedSsd) sequence.first()).search().tolerance());
    assertEquals(9, ((SearchedSsd) sequence.first()).search().batchSize());
    assertEquals(new FineTune(new Steps(2, 5, Optimiser.sgd(0.01, 0.9, 5e-4))), sequence.then());
  }

  @Test
  void dampeningAndRepairHealsWhatWasFlaggedTooWidely() {
    try (Backend backend = Device.cpu(2).open();
        Model model = TinyTask.model()) {
      double before = TinyTask.accuracy(model, backend, TinyTask.TEST);
      double sick = TinyTask.healed(model, backend);
      Sequence.dampenAndRepair().forget(model, backend, flagged(), 1, Listener.NONE);
      double healed = TinyTask.healed(model, backend);
      double after = TinyTask.accuracy(model, backend, TinyTask.TEST);
      assertTrue(sick < 0.5 && healed > before - 0.1, sick + " → " + healed);
      assertTrue(after > before - 0.02, before + " → " + after);
    }
  }
}
