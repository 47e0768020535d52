package io.nepenthe.nn;

import io.nepenthe.tensor.Shape;
import java.util.Objects;

/**
 * A named tensor of a layer.
 *
 * @param name the layer's name and the tensor's, for instance {@code conv1.weight}, as in ONNX
 *     files
 * @param shape convolution weights O·KH·KW·(I/groups), linear weights O·I, all others one dimension
 * @param role what it is to its layer
 */
public record ParameterSpec(String name, Shape shape, Role role) {
  /** What a tensor is to its layer. */
  public enum Role {
    /** Convolution or linear weights. */
    WEIGHT,
    /** What a convolution or linear layer adds. */
    BIAS,
    /** Batch normalisation's γ. */
    SCALE,
    /** Batch normalisation's β. */
    SHIFT,
    /** Batch normalisation's running mean: a buffer, not trained. */
    RUNNING_MEAN,
    /** Batch normalisation's running variance: a buffer, not trained. */
    RUNNING_VARIANCE
  }

  /** Nothing is null. */
  public ParameterSpec {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(shape, "shape");
    Objects.requireNonNull(role, "role");
  }
}
