package io.nepenthe.curvature;

import io.nepenthe.kernel.LossVectors;
import io.nepenthe.tensor.Tensor;

/**
 * Vectors that backward passes start from which no label decides: the derivative of an output, what
 * a change of the outputs makes of the softmax, or how far the softmax is from another. Those of
 * the last two are of a softmax and a row of each sample.
 */
final class OutputVectors implements LossVectors {
  private final Form form;
  private final OutputGradients own;
  private final OutputGradients other;

  /** Every row's divisor. */
  private final double samples;

  private Tensor rows = NO_ROWS;
  private int axis;

  private OutputVectors(Form form, int outputs, double samples) {
    this.form = form;
    this.own = new OutputGradients(Likelihood.CATEGORICAL, outputs);
    this.other = new OutputGradients(Likelihood.CATEGORICAL, outputs);
    this.samples = samples;
  }

  /** Those of one output after the other. */
  static OutputVectors ofOutputs(int outputs) {
    return new OutputVectors(Form.AXIS, outputs, 1);
  }

  /** (diag p − ppᵀ)·u, u a sample's row. */
  static OutputVectors ofChanges(int outputs) {
    return new OutputVectors(Form.PRODUCT, outputs, 1);
  }

  /** (p − q)/samples, q the softmax of a sample's row. */
  static OutputVectors ofDistances(int outputs, long samples) {
    return new OutputVectors(Form.DIFFERENCE, outputs, samples);
  }

  /** The same of that output. */
  OutputVectors of(int output) {
    axis = output;
    return this;
  }

  /** The same of these rows, of the outputs' shape and where they are. */
  OutputVectors of(Tensor rows) {
    this.rows = rows;
    return this;
  }

  @Override
  public Form form() {
    return form;
  }

  @Override
  public Label label() {
    return Label.AXIS;
  }

  @Override
  public int[] labels() {
    return new int[0];
  }

  @Override
  public double[] draws(int samples) {
    return new double[0];
  }

  @Override
  public double[] targets() {
    return new double[0];
  }

  @Override
  public Tensor rows() {
    return rows;
  }

  @Override
  public int axis() {
    return axis;
  }

  @Override
  public double weight() {
    return 1 / samples;
  }

  @Override
  public double curvature() {
    return 1;
  }

  @Override
  public boolean unit() {
    return false;
  }

  @Override
  public boolean rooted() {
    return false;
  }

  @Override
  public void write(Tensor outputs, Tensor gradient) {
    if (form == Form.AXIS) {
      gradient.clear();
    }
    for (int n = 0; n < outputs.shape().size(0); n++) {
      long row = (long) n * own.outputs();
      switch (form) {
        case PRODUCT -> product(outputs, n, row, gradient);
        case DIFFERENCE -> difference(outputs, n, row, gradient);
        default -> gradient.set(row + axis, 1);
      }
    }
  }

  private void product(Tensor outputs, int n, long row, Tensor gradient) {
    double[] p = own.softmax(outputs, n);
    double mean = 0;
    for (int c = 0; c < p.length; c++) {
      mean += p[c] * rows.get(row + c);
    }
    for (int c = 0; c < p.length; c++) {
      double u = rows.get(row + c);
      gradient.set(row + c, (float) (p[c] * (u - mean)));
    }
  }

  private void difference(Tensor outputs, int n, long row, Tensor gradient) {
    double[] p = own.softmax(outputs, n);
    double[] q = other.softmax(rows, n);
    for (int c = 0; c < p.length; c++) {
      gradient.set(row + c, (float) ((p[c] - q[c]) / samples));
    }
  }
}
