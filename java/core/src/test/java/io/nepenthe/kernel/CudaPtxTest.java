package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What nvcc made of the kernels: their PTX, in an interpreter behind CUDA's driver API. Unlike the
 * emulator, which compiles the sources, it sees the inline assembly, the order of the parameters
 * and the compiler's work.
 */
class CudaPtxTest {
  private static final Path BUILT = Repository.path("target/native/release/ptx");
  private static final int VALUES = 32;
  @TempDir private Path folder;

  @BeforeEach
  void built() {
    Assumptions.assumeTrue(CudaKernels.built(), "this build has no CUDA kernels: no nvcc");
  }

  private ChildJvm.Outcome run(Path ptx, Class<?> main, String... arguments) throws Exception {
    return ChildJvm.finish(
        ChildJvm.start(
            main,
            List.of("nepenthe.gpu=required", "nepenthe.cuda.sync=true"),
            Map.of(
                "LD_LIBRARY_PATH",
                ptx.toString(),
                "FAKE_CUDA_COUNTS",
                main == Relu.class ? counts().toString() : ""),
            arguments));
  }

  private Path counts() {
    return folder.resolve("counts.jsonl");
  }

  /** The parity tests of every kernel, those of matrix instructions among them. */
  @Test
  void theKernelsAgreeWithTheirReferences() throws Exception {
    ChildJvm.Outcome outcome =
        run(
            BUILT,
            TestRun.class,
            CudaOperationsTest.class.getName(),
            CudaDenseTest.class.getName(),
            CudaPlainTest.class.getName(),
            CudaSquaresTest.class.getName(),
            CudaPerSampleTest.class.getName(),
            CudaLossesTest.class.getName(),
            CudaLossVectorsTest.class.getName(),
            CudaObjectivesTest.class.getName(),
            PixelsTest.class.getName());
    assertEquals(0, outcome.status(), outcome.output());
  }

  /** One relu of 0, 1, 2, … */
  static final class Relu {
    public static void main(String[] arguments) {
      try (Backend backend = Device.cuda(0).open();
          Arena arena = Arena.ofConfined()) {
        Tensor values = Tensor.zeros(arena, Shape.of(VALUES));
        for (int i = 0; i < VALUES; i++) {
          values.set(i, i);
        }
        backend.dense().relu(values, values);
        System.out.println(Arrays.toString(values.toArray()));
      } catch (CudaException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  /** What it does where this is its kernel: thread is %t, x and y are addresses of its value. */
  private String relu(String body) throws Exception {
    Files.copy(BUILT.resolve("libcuda.so.1"), folder.resolve("libcuda.so.1"));
    Files.writeString(
        folder.resolve("activation.ptx"),
        """
        .version 8.7
        .target sm_90a
        .address_size 64
        .visible .entry nep_activation_relu(
          .param .u64 px, .param .u64 py, .param .u64 pn
        )
        .maxntid 256, 1, 1
        {
          .reg .pred %p<4>;
          .reg .f32 %f<4>;
          .reg .b32 %t, %m, %r<8>;
          .reg .b64 %x, %y, %d<4>;
          mov.u32 %t, %tid.x;
          setp.ge.u32 %p0, %t, 32;
          @%p0 bra $out;
          ld.param.u64 %x, [px];
          ld.param.u64 %y, [py];
          mul.wide.u32 %d0, %t, 4;
          add.s64 %x, %x, %d0;
          add.s64 %y, %y, %d0;
          ld.global.f32 %f0, [%x];
        """
            + body
            + """
          st.global.f32 [%y], %f0;
        $out:
          ret;
        }
        """);
    return run(folder, Relu.class).output();
  }

  private static String values(java.util.function.IntToDoubleFunction value) {
    float[] all = new float[VALUES];
    IntStream.range(0, VALUES).forEach(i -> all[i] = (float) value.applyAsDouble(i));
    return Arrays.toString(all);
  }

  @Test
  void lanesThatPartedMeetAgain() throws Exception {
    assertEquals(
        values(i -> (i ^ 1) % 2 == 0 ? (i ^ 1) + 100 : i ^ 1),
        relu(
            """
              and.b32 %r0, %t, 1;
              setp.eq.u32 %p1, %r0, 1;
              @%p1 bra $odd;
              add.f32 %f0, %f0, 0f42C80000;
            $odd:
              mov.b32 %r1, %f0;
              shfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, -1;
              mov.b32 %f0, %r2;
            """));
  }

  @Test
  void shufflesEndWithTheirSegments() throws Exception {
    // Down by 3 within eight lanes: the last three keep their own.
    assertEquals(
        values(i -> i % 8 < 5 ? i + 3 : i),
        relu(
            """
              mov.b32 %r1, %f0;
              shfl.sync.down.b32 %r2, %r1, 3, 6175, 0xffffffff;
              mov.b32 %f0, %r2;
            """));
  }

  @Test
  void votesCountTheirMembersOnly() throws Exception {
    // Of lanes 0 … 15 those below 5.
    assertEquals(
        values(i -> i < 16 ? 5 : i),
        relu(
            """
              setp.ge.u32 %p1, %t, 16;
              @%p1 bra $others;
              setp.lt.u32 %p2, %t, 5;
              vote.sync.ballot.b32 %r1, %p2, 65535;
              popc.b32 %r2, %r1;
              cvt.rn.f32.u32 %f0, %r2;
            $others:
            """));
  }

  @Test
  void addressesOfSharedMemoryWrapAround() throws Exception {
    assertEquals(
        values(i -> i),
        relu(
            """
              .shared .align 16 .b8 room[128];
              mov.u32 %r1, room;
              shl.b32 %r2, %t, 2;
              add.s32 %r1, %r1, %r2;
              add.s32 %r1, %r1, -2048;
              st.shared.f32 [%r1+2048], %f0;
              mov.b32 %f0, %r2;
              ld.shared.f32 %f0, [%r1+2048];
            """));
  }

  @Test
  void shortCopiesFillUpWithZeros() throws Exception {
    // Four bytes a lane, of which the odd lanes give none.
    assertEquals(
        values(i -> i % 2 == 0 ? i : 0),
        relu(
            """
              .shared .align 16 .b8 room[128];
              mov.u32 %r1, room;
              shl.b32 %r2, %t, 2;
              add.s32 %r1, %r1, %r2;
              and.b32 %r3, %t, 1;
              setp.eq.u32 %p1, %r3, 0;
              selp.b32 %r4, 4, 0, %p1;
              cp.async.ca.shared.global [%r1], [%x], 4, %r4;
              cp.async.commit_group;
              cp.async.wait_group 0;
              ld.shared.f32 %f0, [%r1];
            """));
  }

  @Test
  void copiesThatNobodyWaitedForHaveNotArrived() throws Exception {
    String seen =
        relu(
            """
              .shared .align 16 .b8 room[128];
              mov.u32 %r1, room;
              mov.u32 %r4, 4;
              cp.async.ca.shared.global [%r1], [%x], 4, %r4;
              cp.async.commit_group;
              ld.shared.f32 %f0, [%r1];
            """);
    assertEquals(values(_ -> Float.intBitsToFloat(0xa5a5a5a5)), seen);
  }

  @Test
  void whatAProfilerWouldCountIsCounted() throws Exception {
    // Of one warp of eight that has work: every second word of shared memory, so that two lanes
    // meet in each bank; 128 bytes are read, 128 written.
    relu(
        """
          .shared .align 16 .b8 room[256];
          mov.u32 %r1, room;
          shl.b32 %r2, %t, 3;
          add.s32 %r1, %r1, %r2;
          st.shared.f32 [%r1], %f0;
          bar.warp.sync -1;
        """);
    String line = Files.readString(counts());
    // Nine up to the load, these five, a store and the return; of the other warps mov, setp, bra,
    // ret. The branch is no lane's of the first warp.
    int instructions = 16 + 7 * 4;
    assertTrue(line.contains("\"instructions\":%d,".formatted(instructions)), line);
    assertTrue(line.contains("\"lanes\":%d,".formatted(32 * (instructions - 1))), line);
    assertTrue(line.contains("\"globalRequests\":2,\"globalSectors\":8,"), line);
    assertTrue(
        line.contains("\"sharedRequests\":1,\"sharedWavefronts\":2,\"sharedLeast\":1,"), line);
  }

  private void finds(String fault, String body) throws Exception {
    String output = relu(body);
    assertTrue(output.contains(fault), output);
  }

  @Test
  void faultsOfMemoryAreFound() throws Exception {
    finds("out of bounds: 4 bytes of global memory", "ld.global.f32 %f0, [%x+1048576];");
  }

  @Test
  void misalignedAccessesAreFound() throws Exception {
    finds("misaligned: 8 bytes", "ld.global.v2.f32 {%f0, %f1}, [%x];");
  }

  @Test
  void lanesThatWaitForEverAreFound() throws Exception {
    finds("lanes that wait for ever", "setp.lt.u32 %p1, %t, 5; @%p1 bar.warp.sync -1;");
  }

  @Test
  void anInstructionThatIsNotKnownIsNamed() throws Exception {
    finds("an instruction that is not known: ex2.approx.f32 %f0, %f0", "ex2.approx.f32 %f0, %f0;");
  }
}
