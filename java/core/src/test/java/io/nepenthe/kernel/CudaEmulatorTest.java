package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

/** The emulator finds every planted fault under every schedule, and lets the right kernels pass. */
class CudaEmulatorTest {
  private static final int SCHEDULES = 25;
  private static final int THREADS = 128;

  /** A warpgroup's product, and the shared memory of its operands. */
  private static final int ROWS = 64;

  private static final int COLUMNS = 96;
  private static final int OPERANDS = (ROWS + COLUMNS) * 32;
  private static final Path PLANTED =
      Repository.path("target/native/release").resolve("libnepenthe-planted.so");

  /** A device with {@code blocks} blocks' values and room for the output. */
  private record Board(CudaDriver driver, long values, long out, int blocks) {
    void launch(String kernel, Object... arguments) {
      launch(blocks, 0, kernel, arguments);
    }

    void launch(int grid, int sharedBytes, String kernel, Object... arguments) {
      CudaArguments packed = new CudaArguments();
      packed.set(arguments);
      driver.launch(kernel, new CudaDriver.Grid(grid, 1, 1), sharedBytes, packed);
    }

    void exchange() {
      launch("planted_none", values, out);
    }

    float[] out(int count) {
      try (Arena arena = Arena.ofConfined()) {
        Tensor host = Tensor.zeros(arena, count);
        driver.download(host.segment(), out);
        return host.toArray();
      }
    }
  }

  private static void everySchedule(int blocks, BiConsumer<Board, Integer> body) {
    try (Arena arena = Arena.ofConfined()) {
      int n = blocks * THREADS;
      Tensor ones = Tensor.zeros(arena, n);
      for (int i = 0; i < n; i++) {
        ones.set(i, i % 7 + 1);
      }
      for (int seed = 0; seed < SCHEDULES; seed++) {
        try (CudaDriver driver = new EmulatedDriver(PLANTED, seed)) {
          long values = driver.allocate(n * 4L);
          long out = driver.allocate(n * 4L);
          driver.upload(values, ones.segment());
          driver.clear(out, n * 4L);
          body.accept(new Board(driver, values, out, blocks), seed);
          driver.free(values);
          driver.free(out);
          assertEquals(0, driver.liveBytes());
        }
      }
    }
  }

  private static void finds(String what, BiConsumer<Board, Integer> launch) {
    everySchedule(
        2,
        (board, seed) -> {
          CudaException found =
              assertThrows(
                  CudaException.class, () -> launch.accept(board, seed), "schedule " + seed);
          assertTrue(
              Arrays.stream(what.split("\\|")).anyMatch(found.getMessage()::contains),
              found.getMessage());
          board.exchange(); // the next launch is not disturbed
        });
  }

  @Test
  void aRightKernelPasses() {
    everySchedule(
        3,
        (board, seed) -> {
          board.exchange();
          float expected = 0;
          for (int i = 0; i < THREADS; i++) {
            expected += i % 7 + 1;
          }
          assertEquals(expected, board.out(1)[0]);
        });
  }

  @Test
  void findsAMissingBarrier() {
    finds("race in shared", (b, _) -> b.launch("planted_missing_barrier", b.values, b.out));
    finds("shared", (b, _) -> b.launch("planted_missing_first_barrier", b.values, b.out));
  }

  @Test
  void findsARace() {
    finds("race in global", (b, _) -> b.launch("planted_race", b.out));
    finds("race in global", (b, _) -> b.launch("planted_race_of_blocks", b.values, b.out));
  }

  @Test
  void findsAnOverrun() {
    for (int write = 0; write < 2; write++) {
      int kind = write;
      finds(
          "0 bytes past the end of an allocation of 1024",
          (b, _) ->
              new Board(b.driver, b.values, b.out, 1)
                  .launch("planted_overrun", b.values, 2L * THREADS, kind));
    }
    finds("out of bounds: index", (b, _) -> b.launch("planted_shared_overrun", b.out, 9));
    everySchedule(
        1,
        (b, _) -> {
          b.launch("planted_overrun", b.values, THREADS - 1L, 1);
          b.launch("planted_shared_overrun", b.out, 8);
        });
  }

  @Test
  void findsAUseAfterFree() {
    finds(
        "out of bounds",
        (b, _) -> {
          long gone = b.driver.allocate(1024);
          b.driver.free(gone);
          b.launch("planted_race", gone);
        });
  }

  @Test
  void findsWhatNothingWrote() {
    finds("uninitialised", (b, _) -> b.launch("planted_uninitialised", b.out));
    finds(
        "uninitialised",
        (b, _) -> {
          long fresh = b.driver.allocate(1024);
          try {
            b.launch("planted_none", fresh, b.out);
          } finally {
            b.driver.free(fresh);
          }
        });
  }

  @Test
  void findsDivergence() {
    finds("__syncthreads", (b, _) -> b.launch("planted_divergent_barrier", b.out));
    finds("mask ffffffff", (b, _) -> b.launch("planted_divergent_shuffle", b.out));
  }

  @Test
  void aShuffleIsNoBarrierAndSyncwarpIsOne() {
    finds("shared", (b, _) -> b.launch("planted_warp_exchange", b.out, 0));
    everySchedule(
        1,
        (b, _) -> {
          b.launch("planted_warp_exchange", b.out, 1);
          assertEquals(6, b.out(8)[7]);
        });
  }

  @Test
  void findsAVectorThatIsNotAligned() {
    finds("misaligned", (b, _) -> b.launch("planted_misaligned", b.values, b.out, 2));
    everySchedule(1, (b, _) -> b.launch("planted_misaligned", b.values, b.out, 4));
  }

  /** Of cuLaunchKernel: 2³¹ − 1 blocks along x, 65,535 along y and z. */
  @Test
  void aGridHasLimits() {
    everySchedule(
        1,
        (b, _) -> {
          CudaArguments none = new CudaArguments();
          none.set(b.out);
          for (CudaDriver.Grid grid :
              List.of(
                  new CudaDriver.Grid(1L << 31, 1, 1),
                  new CudaDriver.Grid(1, 65536, 1),
                  new CudaDriver.Grid(1, 1, 65536),
                  new CudaDriver.Grid(0, 1, 1))) {
            CudaException seen =
                assertThrows(
                    CudaException.class, () -> b.driver.launch("planted_race", grid, 0, none));
            assertTrue(seen.getMessage().contains("that no device takes"), seen.getMessage());
          }
        });
  }

  @Test
  void anAsynchronousCopyMustBeWaitedFor() {
    finds("uninitialised", (b, _) -> b.launch("planted_copy", b.values, b.out, 0));
    everySchedule(
        1,
        (b, _) -> {
          b.launch("planted_copy", b.values, b.out, 1);
          float[] out = b.out(2);
          assertEquals(1, out[0]); // 1, and 0 for the copy that was not valid
          assertEquals(3, out[1]); // 2, and its neighbour's 1
        });
  }

  /** It may write as soon as it begins, however late it was waited for. */
  @Test
  void anAsynchronousCopyMustNotBeginTooEarly() {
    finds("race in shared", (b, _) -> b.launch("planted_early_copy", b.values, b.out, 0));
    everySchedule(1, (b, _) -> b.launch("planted_early_copy", b.values, b.out, 1));
  }

  @Test
  void matrixInstructionsMultiply() {
    SplittableRandom random = new SplittableRandom(1);
    try (Arena arena = Arena.ofConfined()) {
      for (int wide = 0; wide < 2; wide++) {
        int terms = wide == 0 ? 8 : 16;
        Tensor a = Tensor.zeros(arena, Shape.of(16, terms));
        Tensor b = Tensor.zeros(arena, Shape.of(terms, 8));
        for (Tensor tensor : new Tensor[] {a, b}) {
          for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, random.nextInt(-8, 9));
          }
        }
        int kind = wide;
        everySchedule(
            1,
            (board, _) -> {
              long left = board.driver.allocate(1024);
              long right = board.driver.allocate(1024);
              board.driver.upload(left, a.segment());
              board.driver.upload(right, b.segment());
              board.launch("planted_matrix", left, right, board.out, kind);
              float[] out = board.out(THREADS);
              for (int i = 0; i < THREADS; i++) {
                float sum = 0;
                for (int k = 0; k < terms; k++) {
                  sum += a.get((long) i / 8 * terms + k) * b.get(k * 8L + i % 8);
                }
                assertEquals(sum, out[i], "element " + i);
              }
              board.driver.free(left);
              board.driver.free(right);
            });
      }
    }
  }

  /**
   * Launches planted_wgmma of seeded integers; what it leaves must be the product unless it fails.
   */
  private static void warpgroup(Board board, int terms, int fault) {
    SplittableRandom random = new SplittableRandom(terms);
    long[] sides = {ROWS, COLUMNS};
    long out = board.driver.allocate((long) ROWS * COLUMNS * Float.BYTES);
    long[] addresses = new long[2];
    try (Arena arena = Arena.ofConfined()) {
      Tensor[] operands = new Tensor[2];
      for (int o = 0; o < 2; o++) {
        operands[o] = Tensor.zeros(arena, sides[o], terms);
        for (long i = 0; i < operands[o].elements(); i++) {
          operands[o].set(i, random.nextInt(-8, 9));
        }
        addresses[o] = board.driver.allocate(operands[o].shape().bytes());
        board.driver.upload(addresses[o], operands[o].segment());
      }
      board.launch(1, OPERANDS, "planted_wgmma", addresses[0], addresses[1], out, terms, fault);
      Tensor found = Tensor.zeros(arena, ROWS, COLUMNS);
      board.driver.download(found.segment(), out);
      for (long i = 0; i < found.elements(); i++) {
        float sum = 0;
        for (long k = 0; k < terms; k++) {
          sum +=
              operands[0].get(i / COLUMNS * terms + k) * operands[1].get(i % COLUMNS * terms + k);
        }
        assertEquals(2 * sum, found.get(i), "element " + i);
      }
    } finally {
      board.driver.free(out);
      for (long address : addresses) {
        board.driver.free(address);
      }
    }
  }

  @Test
  void aWarpgroupMultiplies() {
    everySchedule(
        1,
        (b, _) -> {
          warpgroup(b, 16, 0);
          warpgroup(b, 8, 0);
        });
  }

  @Test
  void findsWhatAWarpgroupsProductLacks() {
    String[] faults = {
      "no fence.proxy.async",
      "race in shared|reads a shared word",
      "no wgmma.fence",
      "accumulators of a wgmma that was not waited for are read",
      "operands of a wgmma changed|race in shared",
      "out of bounds: a descriptor",
      "misaligned",
      "ends before its wgmmas were waited for",
      "no fence.proxy.async",
      "warps of a warpgroup issue different"
    };
    for (int i = 0; i < faults.length; i++) {
      int fault = i + 1;
      finds(faults[i], (b, seed) -> warpgroup(b, seed % 2 == 0 ? 16 : 8, fault));
    }
  }

  @Test
  void findsABarrierInMemoryThatIsNotKept() {
    everySchedule(
        1,
        (b, _) -> {
          b.launch("planted_memory_barrier", b.out, 0);
          assertEquals(4, b.out(64)[63]);
        });
    finds(
        "deadlock: waits at an mbarrier, at which",
        (b, _) -> b.launch("planted_memory_barrier", b.out, 1));
    finds("shared", (b, _) -> b.launch("planted_memory_barrier", b.out, 2));
    finds("an mbarrier that nothing made", (b, _) -> b.launch("planted_memory_barrier", b.out, 3));
  }

  @Test
  void checksWhatALaunchIsGiven() {
    everySchedule(
        1,
        (b, _) -> {
          CudaException seen =
              assertThrows(CudaException.class, () -> b.launch("planted_none", b.values, 1));
          assertEquals("planted_none takes ll, was given li", seen.getMessage());
          assertThrows(CudaException.class, () -> b.launch("planted_nothing"));
        });
  }

  @Test
  void everySourceIsListed() {
    assertEquals(Repository.stems("cuda", ".cu"), CudaKernels.SOURCES.stream().sorted().toList());
    assertEquals("dampen", CudaKernels.source("nep_dampen_totals"));
    assertEquals("masked_sgd", CudaKernels.source("nep_masked_sgd"));
  }
}
