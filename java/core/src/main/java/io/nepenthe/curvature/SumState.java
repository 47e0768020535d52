package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * The planes of sums that are under way.
 *
 * @param sums by name
 */
record SumState(SequencedMap<String, ChunkedSum> sums) implements Checkpoint.State {
  void clear() {
    sums.values().forEach(ChunkedSum::clear);
  }

  void fold() {
    sums.values().forEach(ChunkedSum::fold);
  }

  @Override
  public SequencedMap<String, SafetensorsPart> parts() {
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    sums.forEach(
        (name, sum) -> {
          parts.put(name + ".total", SafetensorsPart.doubles(sum.shape(), sum.total()));
          parts.put(name + ".sum", SafetensorsPart.of(sum.sum()));
          parts.put(name + ".rest", SafetensorsPart.of(sum.rest()));
          parts.put(
              name + ".counts", SafetensorsPart.integers(sum.current().count(), sum.processed()));
        });
    return parts;
  }

  @Override
  public void restore(SafetensorsFile from) {
    sums.forEach(
        (name, sum) -> {
          try (Arena arena = Arena.ofConfined()) {
            sum.total().copyFrom(from.doubles(name + ".total", sum.shape(), arena));
            copy(from, name + ".sum", sum.current().sum(), arena);
            copy(from, name + ".rest", sum.current().rest(), arena);
          }
          long[] counts = from.integers(name + ".counts", 2);
          if (counts[0] < 0 || counts[1] < 0) {
            throw new DataException(
                from.toString(), name + ".counts from 0 on", counts[0] + " and " + counts[1]);
          }
          sum.resume(counts[0], counts[1]);
        });
  }

  private static void copy(SafetensorsFile from, String name, Tensor to, Arena arena) {
    to.copyFrom(from.tensor(name, to.shape(), arena));
  }
}
