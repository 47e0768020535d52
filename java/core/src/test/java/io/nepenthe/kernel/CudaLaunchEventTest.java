package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A flight recording names every launch with its operation, blocks, bytes and operations. */
class CudaLaunchEventTest {
  @TempDir private Path folder;

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
    for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
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
    String dampen = " | dampen [600] | 1×1×1 by %d | %d bytes, %d flops";
    assertEquals(
        List.of(
            "nep_activation_relu | relu [600] | 1×1×1 by 256 | 4800 bytes, 600 flops",
            "nep_dampen" + dampen.formatted(256, Dampen.bytes(n), Dampen.flops(n)),
            "nep_dampen_totals" + dampen.formatted(64, Dampen.bytes(n), Dampen.flops(n))),
        seen);
  }
}
