package io.nepenthe.kernel;

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

  private Transfers and(boolean up, long bytes) {
    return up
        ? new Transfers(ups + 1, downs, bytesUp + bytes, bytesDown)
        : new Transfers(ups, downs + 1, bytesUp, bytesDown + bytes);
  }
}
