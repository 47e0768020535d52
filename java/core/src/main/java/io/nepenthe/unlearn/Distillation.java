package io.nepenthe.unlearn;

import io.nepenthe.nn.Loss;
import io.nepenthe.tensor.Tensor;
import java.util.function.LongFunction;

/**
 * The distance of a student from a teacher, T²·KL(p_t ‖ p_s) = T²·Σ p_t (log p_t − log p_s) with
 * both softmaxes at temperature T, and gradient T·(p_s − p_t) (Hinton et al. 2015); with a share of
 * the ordinary loss. In a regression the distance is that of the two numbers, (z_s − z_t)², and the
 * temperature means nothing.
 */
final class Distillation implements Objective {
  private final LongFunction<Answer> answers;
  private final double temperature;
  private final double distance;
  private final double ordinary;
  private final Loss loss;

  /**
   * What the student should answer for a sample.
   *
   * @param teacher who knows
   * @param id the sample's id there
   */
  record Answer(Teacher teacher, long id) {}

  /**
   * {@code distance}·KD + {@code ordinary}·loss.
   *
   * @param answers by the id of a sample
   * @param loss used where {@code ordinary} is not 0
   */
  Distillation(
      LongFunction<Answer> answers,
      double temperature,
      double distance,
      double ordinary,
      Loss loss) {
    this.answers = answers;
    this.temperature = temperature;
    this.distance = distance;
    this.ordinary = ordinary;
    this.loss = loss;
  }

  /** The distance from one teacher alone. */
  static Distillation from(Teacher teacher, double temperature, Loss loss) {
    return new Distillation(id -> new Answer(teacher, id), temperature, 1, 0, loss);
  }

  @Override
  public double evaluate(Tensor output, Batch batch, Tensor gradient) {
    int samples = (int) output.shape().size(0);
    int classes = (int) output.shape().size(1);
    double total = 0;
    if (ordinary != 0) {
      total = ordinary * loss.evaluate(output, batch.labels(), batch.losses(), gradient);
    }
    double[] student = new double[classes];
    double[] teacher = new double[classes];
    float[] logits = output.toArray();
    for (int n = 0; n < samples; n++) {
      int row = n * classes;
      Teacher.softmax(logits, row, temperature, student);
      Answer answer = answers.apply(batch.ids()[n]);
      double kept = ordinary == 0 ? 0 : ordinary * gradient.get(row);
      if (!loss.classifies()) {
        double error = logits[row] - answer.teacher().logit(answer.id());
        total += distance * error * error;
        gradient.set(row, (float) (kept + 2 * distance * error));
        continue;
      }
      answer.teacher().probabilities(answer.id(), temperature, teacher);
      for (int c = 0; c < classes; c++) {
        double p = teacher[c];
        // A student's 0 where the teacher has some mass: finite, as a float's logits allow no more.
        total +=
            p > 0
                ? distance
                    * temperature
                    * temperature
                    * p
                    * (StrictMath.log(p) - StrictMath.log(Math.max(student[c], Double.MIN_NORMAL)))
                : 0;
        double own = ordinary == 0 ? 0 : ordinary * gradient.get(row + c);
        gradient.set(row + c, (float) (own + distance * temperature * (student[c] - p)));
      }
    }
    return total;
  }
}
