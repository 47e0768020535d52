package io.nepenthe.unlearn;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import java.util.List;

/** D_f and D_r as one data set, whose ids still tell which of the two a sample is from. */
final class Mixed {
  private final Dataset forget;
  private final Dataset retain;
  private final Dataset both;
  private final long firstRetained;

  Mixed(Dataset forget, Dataset retain) {
    this.forget = forget;
    this.retain = retain;
    this.both = Datasets.concatenate("training", List.of(forget, retain));
    // A concatenation moves the ids of its second part up by the largest of the first, plus one.
    long largest = 0;
    for (long i = 0; i < forget.size(); i++) {
      largest = Math.max(largest, forget.id(i));
    }
    this.firstRetained = largest + 1;
  }

  Dataset forget() {
    return forget;
  }

  Dataset retain() {
    return retain;
  }

  /** The forgotten samples first. */
  Dataset both() {
    return both;
  }

  boolean isForgotten(long id) {
    return id < firstRetained;
  }
}
