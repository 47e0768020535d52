package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The vectors, one for each sample of a batch, that a backward pass of a Fisher information or an
 * importance starts from: gradients with respect to a network's outputs z. A row is
 *
 * <pre>
 *   CATEGORICAL   p − e_y, p the softmax of z; entry y is minus the sum of the others
 *   RESIDUAL      s·(z − t), t the one-hot label, or a number that the label stands for
 *   AXIS          √s·e_v
 *   OUTPUT        z
 *   DRAWN         drawn, whatever z is
 *   PRODUCT       (diag p − ppᵀ)·u, u the sample's row of {@link #rows}
 *   DIFFERENCE    p − q, q the softmax of that row
 * </pre>
 *
 * <p>times {@link #weight}, and √p_y where {@link #rooted}, and brought to length one before where
 * {@link #unit}. The label y is the sample's own, or drawn from p, or {@link #axis} for all.
 * Computed in float64, rounded once; on a device within two units in the last place of the host's.
 */
public interface LossVectors {
  /** Empty. */
  Tensor NO_ROWS = Tensor.zeros(Arena.global(), 0);

  /** What a row is. */
  enum Form {
    /** p − e_y. */
    CATEGORICAL,
    /** s·(z − t). */
    RESIDUAL,
    /** √s·e_v. */
    AXIS,
    /** z. */
    OUTPUT,
    /** Made by {@link #write}, which does not read the outputs. */
    DRAWN,
    /** (diag p − ppᵀ)·u: how p changes where z changes by u. */
    PRODUCT,
    /** p − q. */
    DIFFERENCE;

    /** Whether it reads {@link LossVectors#rows}. */
    boolean readsRows() {
      return this == PRODUCT || this == DIFFERENCE;
    }
  }

  /** Whose labels. */
  enum Label {
    /** The first entries of {@link #labels}. */
    OWN,
    /** By the first entries of {@link #draws}, uniform in [0, 1), from the softmax. */
    SAMPLED,
    /** {@link #axis} for all. */
    AXIS
  }

  /** What a row is. */
  Form form();

  /** Whose labels. */
  Label label();

  /** The samples' labels. */
  int[] labels();

  /** A number for each of so many samples. */
  double[] draws(int samples);

  /** The number of each label, for one output; or none: the one-hot label. */
  double[] targets();

  /** What else a row is made of, of the outputs' shape; empty where it is of nothing else. */
  default Tensor rows() {
    return NO_ROWS;
  }

  /** v. */
  int axis();

  /** Every row's factor. */
  double weight();

  /** s. */
  double curvature();

  /** Whether rows are of length one before they are weighted. */
  boolean unit();

  /** Whether a row is weighted by √p_y, too. */
  boolean rooted();

  /** Makes them on the host: row n of {@code gradient} of row n of {@code output}. */
  void write(Tensor output, Tensor gradient);
}
