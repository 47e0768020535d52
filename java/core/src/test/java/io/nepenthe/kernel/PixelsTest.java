package io.nepenthe.kernel;

import static io.nepenthe.kernel.CudaTest.everySchedule;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.nepenthe.kernel.CudaTest.Board;
import io.nepenthe.kernel.CudaTest.Twin;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Bytes by a table, on both devices. */
class PixelsTest {
  private record Images(MemorySegment bytes, float[] values, Tensor want) {
    static Images of(Board board, int channels, int pixels) {
      byte[] bytes = new byte[channels * pixels];
      board.random().nextBytes(bytes);
      float[] values = new float[channels * 256];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) board.random().nextGaussian();
      }
      Tensor want = Tensor.zeros(board.arena(), bytes.length);
      for (int i = 0; i < bytes.length; i++) {
        want.set(i, values[i % channels * 256 + Byte.toUnsignedInt(bytes[i])]);
      }
      MemorySegment memory = board.arena().allocate(bytes.length);
      memory.copyFrom(MemorySegment.ofArray(bytes));
      return new Images(memory, values, want);
    }
  }

  @Test
  void everyByteBecomesItsChannelsValue() {
    everySchedule(
        Precision.FP32,
        board -> {
          Images images = Images.of(board, board.pick(1, 3, 4, 5), board.pick(1, 2, 7, 300, 1031));
          Tensor cpu = Tensor.zeros(board.arena(), images.want.shape());
          board.cpu().dense().decode(images.bytes, images.values, cpu);
          KernelTest.assertBitwise(images.want, cpu);
          Twin got = board.twin(board.normal(images.want.elements()));
          board.cuda().dense().decode(images.bytes, images.values, got.device);
          KernelTest.assertBitwise(images.want, got.now());
          got.device.clear();
          plain(board, images, got.device);
          KernelTest.assertBitwise(images.want, got.now());
        });
  }

  /** The obviously right kernel. */
  private static void plain(Board board, Images images, Tensor y) {
    CudaContext context = board.cuda().context();
    try (var op = context.begin("plain", y.shape(), 0, 0)) {
      MemorySegment values = board.arena().allocate(4L * images.values.length, 4);
      values.copyFrom(MemorySegment.ofArray(images.values));
      op.launch(
          "nep_pixels_plain",
          context.allBlocks("nep_pixels_plain", y.elements()),
          op.upload(images.bytes),
          op.upload(values),
          y.address(),
          y.elements(),
          images.values.length / 256);
    }
  }

  @Test
  void misuseIsRefusedOnBothDevices() {
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Backend cpu = Device.cpu(1).open();
        Arena arena = Arena.ofConfined()) {
      Tensor y = Tensor.zeros(arena, 6);
      MemorySegment bytes = arena.allocate(6);
      for (Backend backend : new Backend[] {cuda, cpu}) {
        Dense dense = backend.dense();
        Runnable[] wrong = {
          () -> dense.decode(bytes, new float[0], y),
          () -> dense.decode(bytes, new float[255], y),
          () -> dense.decode(bytes, new float[4 * 256], y),
          () -> dense.decode(bytes.asSlice(1), new float[256], y)
        };
        for (Runnable call : wrong) {
          assertThrows(IllegalArgumentException.class, call::run);
        }
        Tensor none = Tensor.zeros(arena, 0);
        dense.decode(MemorySegment.NULL.asSlice(0, 0), new float[256], none);
        assertEquals(0, none.elements());
      }
    }
  }
}
