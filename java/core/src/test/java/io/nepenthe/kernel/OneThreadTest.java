package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** A backend that two threads use at once says so, and neither of them gets garbage. */
class OneThreadTest {
  private static <T> FutureTask<T> start(Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread thread = new Thread(task, "the other");
    thread.setDaemon(true);
    thread.start();
    return task;
  }

  private static void assertRefused(Callable<?> work) throws InterruptedException {
    ExecutionException failure = assertThrows(ExecutionException.class, start(work)::get);
    IllegalStateException refusal = (IllegalStateException) failure.getCause();
    assertEquals(
        "a backend is for one thread at a time: thread "
            + Thread.currentThread().getName()
            + " uses this one now",
        refusal.getMessage());
  }

  /** Two threads, each with layers of its own size, whose sizes lie in the same scratch memory. */
  @Test
  void theProcessorsResultsAreRightOrRefused() throws Exception {
    try (Backend backend = Device.cpu(1).open()) {
      AtomicInteger refused = new AtomicInteger();
      CountDownLatch both = new CountDownLatch(2);
      List<FutureTask<Integer>> tasks = new ArrayList<>();
      for (long size : new long[] {3, 40}) {
        tasks.add(start(() -> hammer(backend, size, both, refused)));
      }
      for (FutureTask<Integer> task : tasks) {
        assertTrue(task.get() > 0, "no call was let through");
      }
      assertTrue(refused.get() > 0, "no call was refused");
    }
  }

  private static int hammer(Backend backend, long size, CountDownLatch both, AtomicInteger refused)
      throws Exception {
    int done = 0;
    try (Arena arena = Arena.ofConfined()) {
      Tensor input = ones(arena, Shape.of(4, size, 7));
      Tensor gradient = ones(arena, Shape.of(4, size, 5));
      DriftFreeSum sum = DriftFreeSum.zeros(arena, Shape.of(5, 7));
      Tensor value = Tensor.zeros(arena, 5, 7);
      both.countDown();
      both.await();
      long end = System.nanoTime() + 500_000_000;
      while (System.nanoTime() < end || done == 0) {
        sum.clear();
        try {
          backend.squareGradients(input, gradient, sum, SquareGradients.Strategy.PRODUCTS);
          done++;
        } catch (IllegalStateException e) {
          assertTrue(e.getMessage().endsWith("thread the other uses this one now"), e.toString());
          refused.incrementAndGet();
          continue;
        }
        sum.value(value);
        for (long i = 0; i < value.elements(); i++) {
          assertEquals(4 * size * size, value.get(i), "of " + size + " positions");
        }
      }
    }
    return done;
  }

  private static Tensor ones(Arena arena, Shape shape) {
    Tensor tensor = Tensor.zeros(arena, shape);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, 1);
    }
    return tensor;
  }

  @Test
  void aDeviceRefusesOperationsAndCopiesWithinAnothersOperation() throws Exception {
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
    try (CudaBackend cuda = CudaTest.emulated(1, Precision.FP32);
        Arena arena = Arena.ofShared()) {
      Tensor device = cuda.zeros(arena, Shape.of(3));
      Tensor host = ones(arena, Shape.of(3));
      Callable<?> relu = Executors.callable(() -> cuda.dense().relu(device, device));
      Callable<?> upload = Executors.callable(() -> device.copyFrom(host));
      Callable<?> close = Executors.callable(cuda::close);
      try (var _ = cuda.context().begin("anything", 0, 0, 0)) {
        assertRefused(relu);
        assertRefused(upload);
        assertRefused(close);
      }
      start(upload).get();
      start(relu).get();
      Tensor back = Tensor.zeros(arena, 3);
      back.copyFrom(device);
      assertEquals(1, back.get(2));
    }
  }

  /** What gives the matrices may copy them from a device. */
  @Test
  void matricesToDecomposeAreAskedForOneAfterTheOther() {
    AtomicInteger inside = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    IntFunction<SymmetricEigen.Matrix> matrices =
        i -> {
          most.accumulateAndGet(inside.incrementAndGet(), Math::max);
          try {
            Thread.sleep(20);
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
          inside.decrementAndGet();
          return new SymmetricEigen.Matrix(new double[] {i}, 1);
        };
    try (Backend backend = Device.cpu(2).open()) {
      List<SymmetricEigen> found = backend.symmetricEigen(matrices, 8);
      assertEquals(7, found.get(7).values()[0]);
    }
    assertEquals(1, most.get());
    assertFalse(inside.get() > 0);
  }
}
