package io.nepenthe.benchmarks.influence;

import io.nepenthe.kernel.Backend;
import java.util.List;
import java.util.SequencedMap;

/** Something measured for several seeds. */
interface Figure {
  /** What takes the values of a part, and knows what it has already. */
  interface Sink {
    /** Whether a part is still to be measured. */
    boolean wants(String part);

    /** Keeps a part's values, unless it has them. */
    void add(String part, SequencedMap<String, Double> values);
  }

  /** The parts that are kept on their own. */
  List<String> parts();

  /** The data that it is measured on, by name. */
  List<String> data();

  /** Measures what the sink wants. */
  void measure(Backend backend, String data, long seed, Sink sink);
}
