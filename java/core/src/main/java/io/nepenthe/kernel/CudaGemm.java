package io.nepenthe.kernel;

import java.util.Optional;

/** Matrix products on a device: cuBLAS where it is found, else cuda/gemm.cu. */
interface CudaGemm extends AutoCloseable {
  /** {@code auto} takes cuBLAS where it is found; {@code own} never. */
  String PROPERTY = "nepenthe.cuda.blas";

  /**
   * cuBLAS where it is found and starts, else the kernels of cuda/gemm.cu, whose name then says
   * why. The emulator's memory is not what cuBLAS could work on.
   */
  static CudaGemm of(CudaContext context, Precision precision) {
    if (CudaLibrary.own(PROPERTY)) {
      return new Own(context, precision, "-D" + PROPERTY + "=own");
    }
    if (context.driver() instanceof EmulatedDriver) {
      return new Own(context, precision, "the device is emulated");
    }
    try {
      Optional<CudaLibrary> library = CudaBlas.find();
      if (library.isEmpty()) {
        String wanted = CudaBlas.wanted();
        String reason = wanted + " were not found; remedy: " + CudaLibrary.PATH_VARIABLE;
        return new Own(context, precision, reason);
      }
      return new CudaBlas(library.get(), context, precision);
    } catch (CudaException e) {
      return new Own(context, precision, e.getMessage());
    }
  }

  /** Where the products are made, for {@code describe}. */
  String name();

  /**
   * C = op(A)·op(B) + beta·C, row-major, the pitches those of the matrices as they lie.
   *
   * @param m rows of C
   * @param n columns of C
   * @param k terms
   */
  void multiply(
      CudaContext.Operation op,
      Matrix a,
      boolean transposeA,
      Matrix b,
      boolean transposeB,
      Matrix c,
      long m,
      long n,
      long k,
      float beta);

  /** Where a matrix begins, and the elements from one row to the next. */
  record Matrix(long address, long pitch) {
    /** The same, from an element on. */
    Matrix from(long elements) {
      return new Matrix(address + elements * Float.BYTES, pitch);
    }
  }

  @Override
  void close();

  /**
   * The kernels of cuda/gemm.cu.
   *
   * @param reason why not cuBLAS
   */
  record Own(CudaContext context, Precision precision, String reason) implements CudaGemm {
    private static final long TILE = 64;

    /** Fewer terms than this are not worth a run of their own. */
    private static final long LEAST_TERMS = 256;

    @Override
    public String name() {
      return "own kernels (" + reason + ")";
    }

    @Override
    public void multiply(
        CudaContext.Operation op,
        Matrix a,
        boolean transposeA,
        Matrix b,
        boolean transposeB,
        Matrix c,
        long m,
        long n,
        long k,
        float beta) {
      long columns = (n + TILE - 1) / TILE;
      long rows = (m + TILE - 1) / TILE;
      long wanted = 2L * context.driver().multiprocessors() / (columns * rows);
      long runs = Math.max(1, Math.min(wanted, k / LEAST_TERMS));
      long partial = runs == 1 ? 0L : op.scratch(runs * m * n * Float.BYTES);
      op.launch(
          "nep_gemm_" + precision.suffix(),
          new CudaDriver.Grid(columns * rows, 1, runs), // only x may be large
          a.address,
          b.address,
          c.address,
          partial,
          m,
          n,
          k,
          a.pitch,
          b.pitch,
          c.pitch,
          transposeA ? 1 : 0,
          transposeB ? 1 : 0,
          beta);
      if (runs > 1) {
        op.launch(
            "nep_gemm_totals",
            context.blocks("nep_gemm_totals", m * n, 1),
            partial,
            runs,
            c.address,
            m,
            n,
            c.pitch,
            beta);
      }
    }

    @Override
    public void close() {}
  }
}
