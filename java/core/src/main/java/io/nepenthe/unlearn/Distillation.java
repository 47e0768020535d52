package io.nepenthe.unlearn;

import io.nepenthe.kernel.LossTerm;
import io.nepenthe.kernel.Objectives;
import io.nepenthe.kernel.TeacherDistance;
import io.nepenthe.nn.Loss;
import io.nepenthe.tensor.Tensor;

/**
 * The distance of a student from a teacher, T²·KL(p_t ‖ p_s) = T²·Σ p_t (log p_t − log p_s) with
 * both softmaxes at temperature T, and gradient T·(p_s − p_t) (Hinton et al. 2015); with a share of
 * the ordinary loss. In a regression the distance is that of the two numbers, (z_s − z_t)², and the
 * temperature means nothing.
 *
 * @param teacher who knows the answers
 * @param temperature T
 * @param distance what the distance counts
 * @param ordinary what the ordinary loss counts
 * @param loss the ordinary one, computed where {@code ordinary} is not 0
 */
record Distillation(
    Teacher teacher, double temperature, double distance, double ordinary, Loss loss)
    implements Objective {
  /** The distance alone. */
  static Distillation from(Teacher teacher, double temperature, Loss loss) {
    return new Distillation(teacher, temperature, 1, 0, loss);
  }

  @Override
  public void evaluate(
      Objectives objectives, Tensor output, Batch batch, LossTerm term, Tensor gradient) {
    if (ordinary != 0) {
      loss.evaluate(objectives, output, batch.labels(), term.unscaled(ordinary), gradient);
    }
    objectives.teacher(
        output,
        teacher.answers(),
        teacher.rows(batch.ids(), (int) output.shape().size(0)),
        new TeacherDistance(!loss.classifies(), temperature, distance, ordinary),
        term,
        gradient);
  }
}
