package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.curvature.FisherDiagonal;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.kernel.Transfers;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every method, with its published settings, on a CUDA device, emulated unless
 * -Dnepenthe.gpu=required.
 */
@EmulatedGpu(checked = false)
class CudaEveryMethodTest {
  /** Tens of steps, whose gradients are float32 sums of some thousand terms in another order. */
  private static final double CLOSE = 1e-3;

  private static final Normalisation PIXELS = Normalisation.identity(1);

  private static final Dataset DATA =
      Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, 30, 1);

  private static final Trainer RECIPE =
      new Trainer(
          2, 8, Optimiser.sgd(0.01, 0.9, 5e-4), new Schedule.Constant(), new CrossEntropy(), 1);

  @TempDir private Path folder;

  static Stream<String> names() {
    return Methods.all().stream().map(Methods.Entry::name);
  }

  @ParameterizedTest
  @MethodSource("names")
  void agreesWithTheProcessor(String name) {
    long[] ids = LongStream.range(0, 6).map(DATA::id).toArray();
    Forgetting task = Forgetting.ofIds(DATA, ids, PIXELS, RECIPE);
    task = task.withHeldOut(task.retain());
    Method method = Methods.named(name).published();
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model want = Model.initialise(Transfers.network(10), 1);
        Model got = Model.initialise(Transfers.network(10), 1)) {
      method.forget(want, cpu, task, 1, Listener.NONE);
      method.forget(got, cuda, task, 1, Listener.NONE);
      for (long j = 0; j < want.parameters().count(); j++) {
        assertEquals(want.parameters().flat().get(j), got.parameters().flat().get(j), CLOSE);
      }
    }
  }

  /**
   * Model and importances go to the device once; of a strength its counts and outputs come back.
   */
  @Test
  void aSearchForAStrengthCopiesNoWeights() throws Exception {
    Dataset forget = Subset.range(DATA, 0, 5);
    Dataset heldOut = Subset.range(DATA, 6, 29);
    try (Backend backend = Device.cuda(0).open();
        Model model = Model.initialise(Transfers.network(10), 1);
        FisherDiagonal all = importance(model, backend, DATA);
        FisherDiagonal some = importance(model, backend, forget)) {
      List<SsdSearch.Found> found = new ArrayList<>();
      List<Transfers> transfers = new ArrayList<>();
      for (float strongest : new float[] {0.5f, 0.01f}) {
        SsdSearch search = new SsdSearch(1, strongest, 2, 0.1f, 1, 64);
        transfers.add(
            Transfers.of(
                folder,
                () ->
                    found.add(search.search(model, backend, all, some, heldOut, forget, PIXELS))));
      }
      Transfers few = transfers.get(0);
      Transfers many = transfers.get(1);
      int more = found.get(1).cuts().size() - found.get(0).cuts().size();
      long changed = changed(found.get(1)) - changed(found.get(0));
      assertEquals(5, more);
      // Images and the floats of their bytes, of both sets; counts of every parameter, and outputs.
      assertEquals(4 * changed, many.ups() - few.ups(), "copies to the device");
      int parameters = model.parameters().all().size();
      assertEquals(more * parameters + 2 * changed, many.downs() - few.downs());
    }
  }

  private static FisherDiagonal importance(Model model, Backend backend, Dataset data) {
    return FisherDiagonal.of(
        model, backend, data, PIXELS, FisherDiagonal.Options.defaults(), Progress.NONE);
  }

  private static long changed(SsdSearch.Found found) {
    return found.cuts().stream().filter(cut -> cut.selected() > 0).count();
  }
}
