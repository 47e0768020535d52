package io.nepenthe.unlearn;

import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;

/**
 * Looks for a method's {@link Strength} on a ladder whose rungs are half a decade apart: rung 0 is
 * the strength that it has, above it are stronger ones. Every method gets the same number of tries.
 */
public final class Ladder {
  /** Strengths tried for each method, at most. */
  public static final int TRIES = 6;

  /** What a repair may cost, as a fraction of one. */
  private static final double TOLERATED = 0.01;

  /** What a strength is chosen for. */
  public enum Aim {
    /** To forget as training anew does: the cost is the distance to it, and the least is best. */
    FORGET,
    /**
     * To repair: the cost is the accuracy lost on trusted samples, and the largest learning rate
     * that costs no more than a point is best. Whatever else makes a method stronger stays.
     */
    REPAIR;

    /** The strength to choose, if the method has one; {@link Strength#of}. */
    public Optional<Strength> strength(String name, Method method) {
      return Strength.of(name, method)
          .filter(it -> this == FORGET || it.setting().equals(Strength.LEARNING_RATE));
    }

    /**
     * The rung that is best.
     *
     * @param cost NaN for a failure
     */
    public int rung(IntToDoubleFunction cost) {
      return this == FORGET ? cheapest(cost) : strongest(cost, TOLERATED);
    }
  }

  private Ladder() {}

  /** What the strength is multiplied by. */
  public static double factor(int rung) {
    return Math.pow(10, rung / 2.0);
  }

  /**
   * The rung of the least cost among {@link #TRIES}: the published one, its two neighbours, then
   * always the next one beyond the end of those tried that is nearer to the best, or of two as near
   * the one beyond the cheaper end. Of equals the stronger: what does nothing at all should be
   * tried harder.
   *
   * @param cost NaN for a failure
   */
  public static int cheapest(IntToDoubleFunction cost) {
    TreeMap<Integer, Double> tried = new TreeMap<>();
    for (int rung : new int[] {0, -1, 1}) {
      tried.put(rung, cost(cost, rung));
    }
    while (tried.size() < TRIES) {
      int best = best(tried);
      int down = best - tried.firstKey();
      int up = tried.lastKey() - best;
      boolean downwards =
          down != up ? down < up : tried.firstEntry().getValue() < tried.lastEntry().getValue();
      int next = downwards ? tried.firstKey() - 1 : tried.lastKey() + 1;
      tried.put(next, cost(cost, next));
    }
    return best(tried);
  }

  private static double cost(IntToDoubleFunction cost, int rung) {
    double value = cost.applyAsDouble(rung);
    return Double.isNaN(value) ? Double.POSITIVE_INFINITY : value;
  }

  private static int best(TreeMap<Integer, Double> tried) {
    return tried.descendingMap().entrySet().stream()
        .min(Map.Entry.comparingByValue())
        .orElseThrow()
        .getKey();
  }

  /**
   * The strongest rung whose cost is tolerated, looked for upwards from the published one if that
   * is, and otherwise downwards, in at most {@link #TRIES}; if none is, the cheapest of those
   * tried.
   *
   * @param cost NaN for a failure
   */
  public static int strongest(IntToDoubleFunction cost, double tolerated) {
    TreeMap<Integer, Double> tried = new TreeMap<>();
    int rung = 0;
    tried.put(rung, cost(cost, rung));
    boolean published = tried.get(rung) <= tolerated;
    while (tried.size() < TRIES) {
      int next = published ? rung + 1 : rung - 1;
      tried.put(next, cost(cost, next));
      boolean good = tried.get(next) <= tolerated;
      if (published && !good) {
        return rung;
      }
      rung = next;
      if (!published && good) {
        return rung;
      }
    }
    return published ? rung : best(tried);
  }
}
