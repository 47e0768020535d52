package io.nepenthe.nn;

import java.util.List;

/** The learning rate over a training, as a factor of the base rate. */
public sealed interface Schedule {
  /**
   * The factor at a step.
   *
   * @param step from 0
   * @param stepsPerEpoch positive
   * @param epochs of the whole training
   */
  double factor(long step, long stepsPerEpoch, long epochs);

  /** Always 1. */
  record Constant() implements Schedule {
    @Override
    public double factor(long step, long stepsPerEpoch, long epochs) {
      return 1;
    }
  }

  /**
   * Multiplied by {@code gamma} at the start of each of these epochs, counted from 0.
   *
   * @param milestones epochs
   * @param gamma positive
   */
  record Steps(List<Integer> milestones, double gamma) implements Schedule {
    /** Keeps a copy of the list. */
    public Steps {
      milestones = List.copyOf(milestones);
      if (!(gamma > 0 && gamma < Double.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException("gamma must be positive, found " + gamma);
      }
    }

    @Override
    public double factor(long step, long stepsPerEpoch, long epochs) {
      double factor = 1;
      for (int i = 0; i < milestones.size(); i++) {
        factor *= step / stepsPerEpoch >= milestones.get(i) ? gamma : 1;
      }
      return factor;
    }
  }

  /**
   * From 1 down to {@code floor} along half a cosine over the whole training.
   *
   * @param floor in [0, 1]
   */
  record Cosine(double floor) implements Schedule {
    /** Checks the floor. */
    public Cosine {
      if (!(floor >= 0 && floor <= 1)) {
        throw new IllegalArgumentException("floor must be in [0, 1], found " + floor);
      }
    }

    @Override
    public double factor(long step, long stepsPerEpoch, long epochs) {
      double progress = Math.min(1, (double) step / (stepsPerEpoch * epochs));
      return floor + (1 - floor) * 0.5 * (1 + StrictMath.cos(StrictMath.PI * progress));
    }
  }

  /**
   * From 1 in a straight line to {@code floor} at the end.
   *
   * @param floor in [0, 1]
   */
  record Linear(double floor) implements Schedule {
    /** Checks the floor. */
    public Linear {
      if (!(floor >= 0 && floor <= 1)) {
        throw new IllegalArgumentException("floor must be in [0, 1], found " + floor);
      }
    }

    @Override
    public double factor(long step, long stepsPerEpoch, long epochs) {
      return 1 - (1 - floor) * Math.min(1, (double) step / (stepsPerEpoch * epochs));
    }
  }

  /**
   * Another schedule, multiplied during the first {@code epochs} epochs by a factor that grows in a
   * straight line and reaches 1 at their last step.
   *
   * @param epochs positive; need not be whole
   */
  record WarmUp(double epochs, Schedule then) implements Schedule {
    /** Checks the length. */
    public WarmUp {
      if (!(epochs > 0 && epochs < Double.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException("epochs must be positive, found " + epochs);
      }
    }

    @Override
    public double factor(long step, long stepsPerEpoch, long total) {
      double warm = Math.min(1, (step + 1) / (epochs * stepsPerEpoch));
      return warm * then.factor(step, stepsPerEpoch, total);
    }
  }
}
