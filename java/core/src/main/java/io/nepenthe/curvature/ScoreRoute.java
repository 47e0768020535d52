package io.nepenthe.curvature;

/**
 * The orders in which ⟨V_q, Σₜ gₜāₜᵀ⟩ can be contracted for Q queries, and what each costs. For one
 * sample of T positions, O outputs and I features
 *
 * <pre>
 *   FORMED         2T·OI + 2Q·OI          a tile of P meets all queries in the cache
 *   QUERIES_FIRST  2QT·OI + 2QT·O         V_q ā, then g; gives the score of every position
 *   LOW_RANK       2QT·r(O + I) + 2QT·r   V_q = Σᵣ lᵣrᵣᵀ, where queries are of that form
 * </pre>
 */
public enum ScoreRoute {
  /** P first, tile by tile; it never reaches memory. */
  FORMED,
  /** Every query's product with every position's ā first. */
  QUERIES_FIRST,
  /** Products with a query's left and right vectors. */
  LOW_RANK;

  /** The operations a sample. */
  public double operations(
      double queries, double positions, double outputs, double columns, double rank) {
    return 2
        * switch (this) {
          case FORMED -> (positions + queries) * outputs * columns;
          case QUERIES_FIRST -> queries * positions * outputs * (columns + 1);
          case LOW_RANK -> queries * positions * rank * (outputs + columns + 1);
        };
  }

  /**
   * The cheapest by operations; of two that cost the same the one that comes first.
   *
   * @param rank of the queries; 0 where they have no such form
   */
  public static ScoreRoute cheapest(
      double queries, double positions, double outputs, double columns, double rank) {
    ScoreRoute best = FORMED;
    for (ScoreRoute route : values()) {
      boolean possible = route != LOW_RANK || rank > 0;
      if (possible
          && route.operations(queries, positions, outputs, columns, rank)
              < best.operations(queries, positions, outputs, columns, rank)) {
        best = route;
      }
    }
    return best;
  }

  /**
   * What is taken unless another is asked for: the cheaper of FORMED and LOW_RANK. QUERIES_FIRST
   * saves one part in Q + 1 where there is one position, and would make the last bits of a score
   * depend on how many queries share a pass.
   */
  static ScoreRoute ofRank(
      double queries, double positions, double outputs, double columns, double rank) {
    return rank > 0
            && LOW_RANK.operations(queries, positions, outputs, columns, rank)
                < FORMED.operations(queries, positions, outputs, columns, rank)
        ? LOW_RANK
        : FORMED;
  }
}
