package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import jdk.jfr.Event;
import jdk.jfr.Name;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A flight recording names every launch with its operation, blocks, bytes and operations. */
class CudaLaunchEventTest {
  @TempDir private Path folder;

  /** Of that kind; a recording holds those of all kinds. */
  static Stream<RecordedEvent> events(Path file, Class<? extends Event> kind) throws IOException {
    String name = kind.getAnnotation(Name.class).value();
    return RecordingFile.readAllEvents(file).stream()
        .filter(event -> event.getEventType().getName().equals(name));
  }

  @Test
  void everyLaunchIsRecordedWithWhatItMovesAndDoes() throws Exception {
    Path file = folder.resolve("launches.jfr");
    int n = 600;
    try (Recording recording = new Recording();
        CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      Tensor a = cuda.zeros(arena, Shape.of(n));
      Tensor b = cuda.zeros(arena, Shape.of(n));
      recording.enable(CudaLaunchEvent.class).withThreshold(java.time.Duration.ZERO);
      recording.start();
      cuda.dense().relu(a, a);
      cuda.dampen(a, b, b, Dampen.Options.of(1, 1));
      recording.stop();
      recording.dump(file);
    }
    List<String> seen = new ArrayList<>();
    for (RecordedEvent event : events(file, CudaLaunchEvent.class).toList()) {
      seen.add(
          "%s | %s | %s by %d | %d bytes, %d flops"
              .formatted(
                  event.getString("kernel"),
                  event.getString("operation"),
                  event.getString("grid"),
                  event.getInt("block"),
                  event.getLong("bytes"),
                  event.getLong("flops")));
    }
    String dampen = " | dampen [600] | %d×1×1 by %d | %d bytes, %d flops";
    assertEquals(
        List.of(
            "nep_activation_relu | relu [600] | 1×1×1 by 256 | 4800 bytes, 600 flops",
            "nep_dampen" + dampen.formatted(1, 256, Dampen.bytes(n), Dampen.flops(n)),
            "nep_dampen_groups" + dampen.formatted(64, 256, Dampen.bytes(n), Dampen.flops(n)),
            "nep_dampen_totals" + dampen.formatted(1, 64, Dampen.bytes(n), Dampen.flops(n))),
        seen);
  }

  private record Transfers(long toDevice, long fromDevice) {
    static Transfers of(Path file, Runnable work) throws IOException {
      try (Recording recording = new Recording()) {
        recording.enable(CudaTransferEvent.class).withThreshold(java.time.Duration.ZERO);
        recording.start();
        work.run();
        recording.stop();
        recording.dump(file);
      }
      long[] bytes = new long[2];
      for (RecordedEvent event : events(file, CudaTransferEvent.class).toList()) {
        bytes[event.getBoolean("toDevice") ? 0 : 1] += event.getLong("bytes");
      }
      return new Transfers(bytes[0], bytes[1]);
    }
  }

  /** A mask goes to the device once for a run, not once for each step. */
  @Test
  void aFrozenMaskIsMovedOnceForAllSteps() throws Exception {
    int n = 1000;
    long words = (n + 63) / 64 * Long.BYTES;
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Backend cpu = Device.cpu(1).open();
        Arena arena = Arena.ofConfined()) {
      Mask.Part mask = MaskedSgdTest.every(arena, n, 3);
      Tensor[] t = new Tensor[4];
      for (int i = 0; i < t.length; i++) {
        t[i] = cuda.zeros(arena, Shape.of(n));
      }
      MaskedSgd.Options sgd = MaskedSgd.Options.of(0.1f, 0.9f, 0);
      MaskedAdam.Options adam = MaskedAdam.Options.adam(0.1f);
      BiConsumer<Mask.Part, Integer> steps =
          (bits, count) -> {
            for (int step = 1; step <= count; step++) {
              cuda.maskedSgd(t[0], t[1], t[2], bits, sgd);
              cuda.maskedAdam(t[0], t[1], t[3], t[2], bits, step, adam);
            }
          };
      Mask.Part[] frozen = new Mask.Part[2];
      assertEquals(
          new Transfers(words, 0),
          Transfers.of(folder.resolve("1"), () -> frozen[0] = cuda.freeze(arena, mask)));
      assertEquals(
          new Transfers(0, 0), Transfers.of(folder.resolve("2"), () -> steps.accept(frozen[0], 5)));
      assertEquals(
          new Transfers(10 * words, 0),
          Transfers.of(folder.resolve("3"), () -> steps.accept(mask, 5)));
      frozen[1] = cpu.freeze(arena, mask);
      boolean was = mask.get(1);
      mask.set(1, !was);
      for (Mask.Part part : frozen) {
        assertEquals(was, part.get(1)); // the run's bits are what they were
        assertThrows(IllegalArgumentException.class, () -> part.set(1, true));
      }
    }
  }

  /** The same bits as with a mask of the host, and an optimiser's run takes no others. */
  @Test
  void stepsWithAFrozenMaskAreTheSame() {
    int n = 130;
    try (CudaBackend cuda = CudaTest.emulated(2, Precision.FP32);
        Arena arena = Arena.ofConfined()) {
      Mask.Part mask = MaskedSgdTest.every(arena, n, 3);
      Tensor[] weights = new Tensor[2];
      for (int kind = 0; kind < 2; kind++) {
        Tensor host = Tensor.zeros(arena, n);
        for (int i = 0; i < n; i++) {
          host.set(i, i);
        }
        weights[kind] = cuda.zeros(arena, host.shape());
        weights[kind].copyFrom(host);
        Tensor gradient = cuda.zeros(arena, host.shape());
        gradient.copyFrom(host);
        Tensor velocity = cuda.zeros(arena, host.shape());
        Mask.Part part = kind == 0 ? mask : cuda.freeze(arena, mask);
        cuda.maskedSgd(weights[kind], velocity, gradient, part, MaskedSgd.Options.of(0.5f, 0, 0));
        Tensor got = Tensor.zeros(arena, n);
        got.copyFrom(weights[kind]);
        for (int i = 0; i < n; i++) {
          assertEquals(mask.get(i) ? 0.5f * i : i, got.get(i), "weight " + i);
        }
      }
      Mask.Part none = cuda.freeze(arena, Mask.zeros(arena, List.of(Shape.of(0))).part(0));
      assertEquals(0, none.elements());
    }
  }
}
