package io.nepenthe.data;

/**
 * Harm done to a training set, of which only a part is known later: the setting of corrective
 * unlearning (Goel et al., "Corrective machine unlearning", TMLR 2024). The manipulated samples are
 * drawn at random by the seed, in place of the first ones as that paper's code does, so that the
 * order of a source does not matter.
 */
public sealed interface Manipulation permits BadNets, InterclassConfusion, LabelNoise {
  /**
   * Manipulates a data set.
   *
   * @param dataset the clean data; it is not changed
   * @param knownFraction the share of the manipulated samples that is known later, from 0 to 1;
   *     rounded to the nearest number, and at least one sample unless it is 0
   * @param seed decides which samples are manipulated and which of them are known
   * @return the altered data set and what was done to it
   * @throws DataException if the data set has not enough samples or no such class
   * @throws IllegalArgumentException if {@code knownFraction} is not from 0 to 1
   */
  Manipulated apply(Dataset dataset, double knownFraction, long seed);

  /**
   * The kind, as the command line names it: {@code badnets}, {@code interclass}, {@code
   * label-noise}.
   */
  String kind();
}
