package io.nepenthe.curvature;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.data.ImageShape;
import io.nepenthe.data.Normalisation;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.ChildJvm;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Progress;
import io.nepenthe.nn.Trainer;
import io.nepenthe.tensor.Tensor;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Training, the Fisher diagonal, EK-FAC and scores of a ResNet-9 have the same bits in processes
 * with one thread and with three. A process each: libraries read their number of threads when they
 * are loaded.
 */
class ThreadsTest {
  private static final ImageShape IMAGE = new ImageShape(8, 8, 3);
  private static final TinyData DATA = new TinyData(20, IMAGE, 4, 1, 0);
  private static final TinyData QUERIES = new TinyData(4, IMAGE, 4, 2, 100);
  private static final Normalisation PLAIN = Normalisation.identity(3);
  private static final int RANK = 5;

  /** Prints checksums of all results, with as many threads as asked for. */
  static final class Results {
    private Results() {}

    public static void main(String[] arguments) throws Exception {
      // Matrices of 96 × 864 and less: OpenBLAS keeps to one thread below 85 or so.
      try (Model model = Model.initialise(Architectures.resnet9(Extent.image(8, 8, 3), 4, 12), 3);
          Backend backend = Device.cpu(Integer.parseInt(arguments[0])).open()) {
        new Trainer(2, 8, Optimiser.sgd(0.02, 0.9, 5e-4), 5)
            .train(model, backend, DATA, PLAIN, Trainer.Progress.NONE);
        print("parameters", model.parameters().flat());
        print("statistics", model.buffers().flat());
        try (FisherDiagonal fisher =
            FisherDiagonal.of(
                model, backend, DATA, PLAIN, FisherDiagonal.Options.defaults(), Progress.NONE)) {
          print("Fisher diagonal", fisher.values().flat());
        }
        FactorOptions options = FactorOptions.defaults().withBatchSize(8);
        try (KroneckerFactors factors =
                KroneckerFactors.of(model, backend, DATA, PLAIN, options, Progress.NONE);
            EkFac ekfac = EkFac.of(factors, model, backend, DATA, PLAIN, Progress.NONE);
            InverseCurvature inverse = InverseCurvature.ekfac(ekfac, Damping.defaults())) {
          for (int rank : new int[] {0, RANK}) {
            Influence.Options scoring =
                Influence.Options.defaults().withBatchSize(8).withQueryRank(rank);
            try (InfluenceScores scores =
                Influence.pairwise(
                    model,
                    backend,
                    inverse,
                    QUERIES,
                    Measurement.MARGIN,
                    DATA,
                    PLAIN,
                    scoring,
                    Progress.NONE)) {
              print("scores, rank " + rank, scores.raw());
            }
          }
        }
      }
    }

    private static void print(String name, Tensor values) throws Exception {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(values.segment().asByteBuffer());
      System.out.println(name + " " + HexFormat.of().formatHex(digest.digest()));
    }
  }

  private static ChildJvm.Outcome results(int threads) throws Exception {
    String number = Integer.toString(threads);
    return ChildJvm.finish(
        ChildJvm.start(
            Results.class,
            List.of("java.util.concurrent.ForkJoinPool.common.parallelism=" + number),
            Map.of("OMP_NUM_THREADS", number, "OPENBLAS_NUM_THREADS", number),
            number));
  }

  @Test
  void processesWithOtherThreadsFindTheSameBits() throws Exception {
    ChildJvm.Outcome one = results(1);
    assertEquals(0, one.status(), one.output());
    assertEquals(5, one.output().lines().count(), one.output());
    assertEquals(one, results(3));
  }
}
