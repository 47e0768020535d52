package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.kernel.EmulatedGpu;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Glyphs;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.FullDevice;
import io.nepenthe.kernel.Transfers;
import io.nepenthe.nn.CrossEntropy;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Schedule;
import io.nepenthe.nn.Trainer;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The methods that take gradient steps, on a CUDA device, emulated unless -Dnepenthe.gpu=required.
 */
@EmulatedGpu(checked = false)
class CudaMethodsTest {
  private static final int BATCH = 8;

  /** A few steps of float32 sums of some thousand terms in another order. */
  private static final double CLOSE = 1e-4;

  private static final Optimiser SGD = Optimiser.sgd(0.01, 0.9, 5e-4);
  private static final Steps STEPS = new Steps(1, BATCH, SGD);
  private static final Normalisation PIXELS = Normalisation.identity(1);

  private static final Network NETWORK = Transfers.network(10);

  private static final Trainer RECIPE =
      new Trainer(1, BATCH, SGD, new Schedule.Constant(), new CrossEntropy(), 1);

  @TempDir private Path folder;

  /**
   * A method, and its copies to the device: of a batch the images, the floats that their bytes
   * stand for, and labels or rows of a teacher's answers.
   *
   * @param ups of two more batches that are forgotten and four more of the others
   */
  private record Counted(Method method, int ups) {}

  static Stream<Counted> methods() {
    RandomLabel labels = new RandomLabel(STEPS, RandomLabel.Order.FORGET_FIRST, true);
    return Stream.of(
        new Counted(new FineTune(STEPS), 4 * 3),
        new Counted(new GradientAscent(STEPS), 2 * 3),
        new Counted(new NegGradPlus(STEPS, 0.95), 4 * 2 * 3),
        new Counted(labels, 6 * 3),
        new Counted(new RandomLabel(STEPS, RandomLabel.Order.MIXED, true), 6 * 3),
        // The mask is of one batch, however few: its bytes grow.
        new Counted(new Masked(labels, 0.5), 6 * 3),
        new Counted(new L1Sparse(STEPS, 1e-3, 0, false), 4 * 3),
        new Counted(new L1Sparse(STEPS, 1e-3, 0, true), 4 * 3),
        new Counted(new Prune(Prune.Scope.CONVOLUTIONS, 0.5, new FineTune(STEPS)), 4 * 3),
        new Counted(new LastLayers(1, true, STEPS, new Schedule.Constant()), 4 * 3),
        // The ordinary loss of the retained batches takes their labels, the distance rows.
        new Counted(new Scrub(STEPS, BATCH, 1, 0.5, 2, 1, List.of(), false), 2 * 3 + 4 * 4),
        new Counted(new BadTeacher(STEPS, 1, 1), 6 * 3));
  }

  private static Forgetting task(int forgotten, int kept) {
    Dataset data = Glyphs.draw(Glyphs.Alphabet.DIGITS, Glyphs.Split.TRAIN, forgotten + kept, 1);
    long[] ids = LongStream.range(0, forgotten).map(data::id).toArray();
    return Forgetting.ofIds(data, ids, PIXELS, RECIPE);
  }

  /** However many steps an epoch has, as much comes back: from the middle of it nothing. */
  @ParameterizedTest
  @MethodSource("methods")
  void aStepBringsNothingBack(Counted counted) throws Exception {
    try (Backend backend = Device.cuda(0).open()) {
      Transfers few = transfers(counted.method, backend, task(2 * BATCH, 4 * BATCH));
      Transfers many = transfers(counted.method, backend, task(4 * BATCH, 8 * BATCH));
      assertEquals(few.downs(), many.downs(), "copies from the device");
      assertEquals(few.bytesDown(), many.bytesDown(), "bytes from the device");
      assertEquals(counted.ups, many.ups() - few.ups(), "copies to the device");
    }
  }

  private Transfers transfers(Method method, Backend backend, Forgetting task) throws Exception {
    try (Model model = Model.initialise(NETWORK, 1)) {
      return Transfers.of(folder, () -> method.forget(model, backend, task, 1, Listener.NONE));
    }
  }

  static Stream<Method> all() {
    return Stream.concat(
        methods().map(Counted::method),
        Stream.of(
            new Scrub(STEPS, BATCH, 1, 0.5, 2, 1, List.of(), true),
            new DatamodelMatching(STEPS, 1, InfluenceStep.ekfac())));
  }

  /** Weights and losses are those of the processor but for rounding. */
  @ParameterizedTest
  @MethodSource("all")
  void agreesWithTheProcessor(Method method) {
    Forgetting task = task(2 * BATCH + 3, 4 * BATCH + 1);
    task = task.withHeldOut(task.retain());
    try (Backend cuda = Device.cuda(0).open();
        Backend cpu = Device.cpu(1).open();
        Model want = Model.initialise(NETWORK, 1);
        Model got = Model.initialise(NETWORK, 1);
        Model start = Model.initialise(NETWORK, 1)) {
      Trace expected = method.forget(want, cpu, task, 1, Listener.NONE);
      Trace found = method.forget(got, cuda, task, 1, Listener.NONE);
      assertTrue(apart(want.parameters(), start.parameters()) > 10 * CLOSE, "nothing moved");
      assertEquals(0, apart(want.parameters(), got.parameters()), CLOSE);
      assertEquals(0, apart(want.buffers(), got.buffers()), CLOSE);
      assertEquals(expected.epochs().size(), found.epochs().size());
      for (int e = 0; e < expected.epochs().size(); e++) {
        double loss = expected.epochs().get(e).loss();
        assertEquals(loss, found.epochs().get(e).loss(), CLOSE * Math.max(1, Math.abs(loss)));
      }
    }
  }

  /** A comparison goes on to the next method, and needs the room. */
  @ParameterizedTest
  @MethodSource("all")
  void aFullDeviceIsLeftAsItWas(Method method) {
    Forgetting task = task(BATCH, BATCH);
    Forgetting held = task.withHeldOut(task.retain());
    try (Model start = Model.initialise(NETWORK, 1)) {
      FullDevice.leavesNothingBehind(
          backend -> {
            try (Model model = start.copy()) {
              method.forget(model, backend, held, 1, Listener.NONE);
            }
          });
    }
  }

  private static double apart(Parameters one, Parameters other) {
    double apart = 0;
    for (long j = 0; j < one.count(); j++) {
      apart = Math.max(apart, Math.abs(one.flat().get(j) - other.flat().get(j)));
    }
    return apart;
  }
}
