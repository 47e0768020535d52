package io.nepenthe.benchmarks;

import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * The tensor expressions with which the published codes dampen and select, by libtorch: the peers
 * of {@link DampenBenchmark} and {@link SelectTopBenchmark}.
 */
@State(Scope.Benchmark)
public class TorchSweepBenchmark {
  /** How many threads libtorch may use. */
  @Param({"1", "2"})
  public int threads;

  /** The number of weights. */
  @Param(Values.RESNET_18)
  public long weights;

  /** The share of the weights that is dampened, or that the mask keeps. */
  @Param({"0.01", "0.5"})
  public double selected;

  private Tensor values;
  private Tensor forget;
  private Tensor reference;

  /** Fills weights and importances as {@link DampenBenchmark} does. */
  @Setup
  public void prepare() {
    torch.set_num_threads(threads);
    torch.manual_seed(1);
    values = torch.randn(weights);
    forget = torch.rand(weights);
    reference = torch.rand(weights);
  }

  /** Comparison, indices, quotient of all weights, gather, clamp, scatter. */
  @Benchmark
  public void dampen() {
    try (PointerScope _ = new PointerScope()) {
      Scalar alpha = new Scalar(0.5 / selected);
      // The large λ makes every factor one, so that no weight drifts to zero over the calls.
      Scalar lambda = new Scalar(0x1p20);
      TensorVector where = torch.where(forget.gt(reference.mul(alpha)));
      Tensor indices = where.get(0);
      Tensor factors =
          reference.mul(lambda).div(forget).pow(new Scalar(1.0)).index_select(0, indices);
      Tensor above = torch.where(factors.gt(new Scalar(1.0))).get(0);
      factors.index_fill_(0, above, new Scalar(1.0));
      values.index_copy_(0, indices, values.index_select(0, indices).mul(factors));
    }
  }

  /** One of the ten masks: a descending argsort, ranks by a second argsort, a comparison. */
  @Benchmark
  public void selectOneRatio() {
    try (PointerScope _ = new PointerScope()) {
      Tensor order = values.abs().neg().argsort();
      Tensor ranks = order.argsort();
      ranks.lt(new Scalar((double) Math.round(selected * weights))).to(torch.ScalarType.Long);
    }
  }

  static Cost cost(String method, Function<String, String> parameter) {
    return Cost.UNKNOWN;
  }
}
