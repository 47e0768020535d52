package io.nepenthe.kernel;

import io.nepenthe.data.Glyphs;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Network;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/**
 * What went between the host and a CUDA device.
 *
 * @param ups copies to the device
 * @param downs copies from it
 * @param bytesUp of the copies to it
 * @param bytesDown of the copies from it
 */
public record Transfers(long ups, long downs, long bytesUp, long bytesDown) {
  private static final String EVENT = "io.nepenthe.CudaTransfer";

  /** While {@code work} ran, by a recording that is written to the folder. */
  public static Transfers of(Path folder, Runnable work) throws IOException {
    Path file = folder.resolve("transfers.jfr");
    try (Recording recording = new Recording()) {
      recording.enable(EVENT).withThreshold(Duration.ZERO);
      recording.start();
      work.run();
      recording.stop();
      recording.dump(file);
    }
    Transfers sum = new Transfers(0, 0, 0, 0);
    for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
      if (event.getEventType().getName().equals(EVENT)) {
        sum = sum.and(event.getBoolean("toDevice"), event.getLong("bytes"));
      }
    }
    return sum;
  }

  /** Small, with running statistics, and all of it on a device: what a step copies shows. */
  public static Network network(int outputs) {
    return Network.builder(Extent.image(Glyphs.SIDE, Glyphs.SIDE, 1))
        .then(new Layer.Conv2d("conv", 1, 2, Window.square(5).withStride(4), true))
        .then(new Layer.BatchNorm2d("norm", 2))
        .then(new Layer.Relu())
        .then(new Layer.GlobalAveragePool())
        .then(new Layer.Flatten())
        .then(new Layer.Linear("head", 2, outputs, true))
        .build();
  }

  private Transfers and(boolean up, long bytes) {
    return up
        ? new Transfers(ups + 1, downs, bytesUp + bytes, bytesDown)
        : new Transfers(ups, downs + 1, bytesUp, bytesDown + bytes);
  }
}
