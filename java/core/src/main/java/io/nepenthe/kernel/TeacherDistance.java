package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * How far a student's outputs z are from its teacher's t, with p the softmaxes at temperature T
 * (Hinton, Vinyals, Dean: "Distilling the knowledge in a neural network", 2015):
 *
 * <pre>
 *   of classes   ℓ = w·T²·Σ p_t (log p_t − log p_z)    ∂ℓ/∂z = w·T·(p_z − p_t)
 *   of numbers   ℓ = w·(z − t)²                        ∂ℓ/∂z = 2w·(z − t)          one output
 * </pre>
 *
 * <p>The gradient is added to {@code kept} times what is there, in float64, and rounded once.
 *
 * @param numbers whether the output is a number
 * @param temperature T, without meaning for numbers
 * @param weight w
 * @param kept of the gradient that is there; 0 where that means nothing
 */
public record TeacherDistance(boolean numbers, double temperature, double weight, double kept) {
  /** Checks the temperature. */
  public TeacherDistance {
    if (!(temperature > 0)) {
      throw new IllegalArgumentException("temperature must be positive, found " + temperature);
    }
  }

  /** Checks what {@link Objectives#teacher} is given. */
  void check(Tensor output, Tensor answers, int[] rows, Tensor gradient) {
    Losses.checkVectors(output, gradient);
    long classes = output.shape().size(1);
    if (answers.shape().rank() != 2 || answers.shape().size(1) != classes) {
      throw new IllegalArgumentException(
          "answers must be rows × " + classes + ", found " + answers.shape());
    }
    if (numbers && classes != 1) {
      throw new IllegalArgumentException("a number is one output, found " + output.shape());
    }
    long batch = output.shape().size(0);
    if (rows.length < batch) {
      throw new IllegalArgumentException("a batch of " + batch + " with " + rows.length + " rows");
    }
    Checks.disjoint("gradient", gradient, "answers", answers);
    for (int n = 0; n < batch; n++) {
      if (rows[n] < 0 || rows[n] >= answers.shape().size(0)) {
        throw new IllegalArgumentException(
            "row " + rows[n] + " of sample " + n + " is not one of " + answers.shape().size(0));
      }
    }
  }

  /** The plain form, on the host; returns the sum of the losses. */
  double evaluate(Tensor output, Tensor answers, int[] rows, Tensor gradient) {
    check(output, answers, rows, gradient);
    int classes = (int) output.shape().size(1);
    double[] student = new double[classes];
    double[] teacher = new double[classes];
    double total = 0;
    for (int n = 0; n < output.shape().size(0); n++) {
      long row = (long) n * classes;
      long answer = (long) rows[n] * classes;
      if (numbers) {
        double error = (double) output.get(row) - answers.get(answer);
        total += weight * error * error;
        put(gradient, row, 2 * weight * error);
        continue;
      }
      softmax(output, row, student);
      softmax(answers, answer, teacher);
      for (int c = 0; c < classes; c++) {
        total += term(teacher[c], student[c]);
        put(gradient, row + c, weight * temperature * (student[c] - teacher[c]));
      }
    }
    return total;
  }

  private void put(Tensor gradient, long at, double slope) {
    double own = kept == 0 ? 0 : kept * gradient.get(at);
    gradient.set(at, (float) (own + slope));
  }

  private double term(double p, double student) {
    if (!(p > 0)) {
      return 0;
    }
    // A student's 0 where the teacher has some mass: finite, as a float's logits allow no more.
    double seen = Math.max(student, Double.MIN_NORMAL);
    return weight * temperature * temperature * p * (StrictMath.log(p) - StrictMath.log(seen));
  }

  private void softmax(Tensor logits, long row, double[] out) {
    double max = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < out.length; c++) {
      out[c] = logits.get(row + c) / temperature;
      max = Math.max(max, out[c]);
    }
    double sum = 0;
    for (int c = 0; c < out.length; c++) {
      out[c] = StrictMath.exp(out[c] - max);
      sum += out[c];
    }
    for (int c = 0; c < out.length; c++) {
      out[c] /= sum;
    }
  }
}
