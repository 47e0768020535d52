package io.nepenthe.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Execution;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Mode;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;

/** Compares the engine with ONNX Runtime. */
final class Oracle {
  static final float TOLERANCE = 1e-4f;

  private static final OrtEnvironment ENVIRONMENT =
      OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR, "test");

  private Oracle() {}

  /** Both predict the same for {@code batch} random samples. */
  static void assertAgree(OnnxModel model, Path file, int batch, long seed) {
    Extent in = model.model().network().input();
    float[] samples = new float[Math.toIntExact(batch * in.elements())];
    Random random = new Random(seed);
    for (int i = 0; i < samples.length; i++) {
      samples[i] = (float) random.nextGaussian();
    }
    float[] expected = runtime(file, in, batch, samples);
    float[] found = engine(model, batch, samples);
    assertEquals(expected.length, found.length);
    float low = Float.POSITIVE_INFINITY;
    float high = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < expected.length; i++) {
      float most = TOLERANCE * Math.max(1, Math.abs(expected[i]));
      float difference = Math.abs(expected[i] - found[i]);
      // Not "difference > most": a NaN must fail too.
      assertTrue(difference <= most, i + ": " + expected[i] + " ≠ " + found[i]);
      low = Math.min(low, expected[i]);
      high = Math.max(high, expected[i]);
    }
    assertTrue(high - low > 1e-3, "a comparison of constants: " + low + "…" + high);
  }

  /** What ONNX Runtime predicts, in the order of the file. */
  static float[] runtime(Path file, Extent in, int batch, float[] samples) {
    long[] shape =
        in.isVector()
            ? new long[] {batch, in.channels()}
            : new long[] {batch, in.channels(), in.height(), in.width()};
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(1);
      options.setInterOpNumThreads(1);
      try (OrtSession session = ENVIRONMENT.createSession(file.toString(), options);
          OnnxTensor input =
              OnnxTensor.createTensor(ENVIRONMENT, FloatBuffer.wrap(samples), shape);
          OrtSession.Result result =
              session.run(Map.of(session.getInputNames().iterator().next(), input))) {
        FloatBuffer values = ((OnnxTensor) result.get(0)).getFloatBuffer();
        float[] out = new float[values.remaining()];
        values.get(out);
        return out;
      }
    } catch (OrtException e) {
      throw new AssertionError(e.getMessage(), e);
    }
  }

  /** What the engine predicts for the same samples, in the order of the file. */
  static float[] engine(OnnxModel model, int batch, float[] samples) {
    try (Arena arena = Arena.ofConfined();
        Backend backend = Device.cpu(1).open();
        Execution execution = new Execution(model.model(), backend, batch, Mode.INFERENCE)) {
      Extent in = model.model().network().input();
      Tensor input = Tensor.zeros(arena, in.batch(batch));
      for (int i = 0; i < samples.length; i++) {
        input.set(channelsLast(i, in), samples[i]);
      }
      Tensor output = execution.forward(input);
      Extent out = model.model().network().output();
      float[] values = new float[Math.toIntExact(output.elements())];
      for (int i = 0; i < values.length; i++) {
        values[i] = output.get(channelsLast(i, out));
      }
      return end(model.ending(), values, Math.toIntExact(out.channels()));
    }
  }

  private static long channelsLast(long index, Extent extent) {
    if (extent.isVector()) {
      return index;
    }
    long area = extent.height() * extent.width();
    long position = index % area;
    long channel = index / area % extent.channels();
    long sample = index / area / extent.channels();
    return (sample * area + position) * extent.channels() + channel;
  }

  private static float[] end(Ending ending, float[] logits, int classes) {
    if (ending == Ending.LOGITS) {
      return logits;
    }
    float[] out = new float[logits.length];
    for (int row = 0; row < logits.length; row += classes) {
      double sum = 0;
      for (int i = row; i < row + classes; i++) {
        sum += Math.exp(logits[i]);
      }
      for (int i = row; i < row + classes; i++) {
        double log = logits[i] - Math.log(sum);
        out[i] = (float) (ending == Ending.SOFTMAX ? Math.exp(log) : log);
      }
    }
    return out;
  }
}
