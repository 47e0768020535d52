package io.nepenthe.data;

/**
 * A manipulated data set and the truth about it. Ids are those of the data set that was
 * manipulated; both lists are ascending.
 *
 * @param manipulation what was done
 * @param dataset the altered images under the altered labels, as a victim would train on them
 * @param cleanLabels the altered images under their original labels, to measure corrected accuracy
 * @param manipulatedIds every manipulated sample: S_m
 * @param knownIds the part of them that is known: S_f
 */
public record Manipulated(
    Manipulation manipulation,
    Dataset dataset,
    Dataset cleanLabels,
    long[] manipulatedIds,
    long[] knownIds) {
  /** Copies the lists. */
  public Manipulated {
    manipulatedIds = manipulatedIds.clone();
    knownIds = knownIds.clone();
  }

  /** A copy of the ids of every manipulated sample, ascending. */
  @Override
  public long[] manipulatedIds() {
    return manipulatedIds.clone();
  }

  /** A copy of the ids of the known manipulated samples, ascending. */
  @Override
  public long[] knownIds() {
    return knownIds.clone();
  }

  /** S_f: the known manipulated samples, altered, under their altered labels. */
  public Dataset known() {
    return Subset.ofIds(dataset, knownIds);
  }

  /** D_r = D \ S_f: what is left to train on; it still holds the unknown manipulated samples. */
  public Dataset retained() {
    return Datasets.without(dataset, knownIds);
  }

  /** S_m: every manipulated sample, altered, under its altered label. */
  public Dataset manipulated() {
    return Subset.ofIds(dataset, manipulatedIds);
  }

  /** S_m: every manipulated sample, altered, under its original label. */
  public Dataset manipulatedWithCleanLabels() {
    return Subset.ofIds(cleanLabels, manipulatedIds);
  }

  /** D \ S_m: what nobody touched. */
  public Dataset untouched() {
    return Datasets.without(dataset, manipulatedIds);
  }
}
