package io.nepenthe.curvature;

import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.data.SafetensorsType;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * Preconditioned gradients of queries in files: [queries, outputs, features] by the weights' names,
 * features in the order of the model file; of a normalisation its scale and its shift, [queries,
 * channels].
 *
 * @param files names and order
 */
record QueryFiles(FactorFiles files) {
  private String name(String parameter) {
    return StageNames.PRECONDITIONED + "." + files.layout().name(parameter);
  }

  SequencedMap<String, SafetensorsPart> parts(Queries queries) {
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    for (ParameterBlock block : queries.blocks()) {
      if (block.isDiagonal()) {
        Shape shape = Shape.of(queries.count(), block.outputs());
        for (int row = 0; row < 2; row++) {
          int which = row;
          parts.put(
              name(parameter(block, row)),
              new SafetensorsPart(
                  SafetensorsType.F32,
                  shape,
                  arena -> {
                    Tensor out = Tensor.zeros(arena, shape);
                    rows(queries.values(block), out, which, true);
                    return out.segment();
                  }));
        }
      } else {
        Tensor values = queries.values(block);
        parts.put(
            name(block.parameter()),
            new SafetensorsPart(
                SafetensorsType.F32,
                values.shape(),
                arena -> {
                  Tensor out = Tensor.zeros(arena, values.shape());
                  columns(values, out, files.features(block), true);
                  return out.segment();
                }));
      }
    }
    return parts;
  }

  private static String parameter(ParameterBlock block, int row) {
    return row == 0 ? block.weight() : block.bias();
  }

  /** Copies one of the two rows of every query. */
  private static void rows(Tensor both, Tensor one, int row, boolean out) {
    long channels = one.shape().size(1);
    Shape shape = Shape.of(channels);
    for (long q = 0; q < one.shape().size(0); q++) {
      Tensor inside = both.slice((2 * q + row) * channels, shape);
      Tensor outside = one.slice(q * channels, shape);
      (out ? outside : inside).copyFrom(out ? inside : outside);
    }
  }

  private static void columns(Tensor from, Tensor to, int[] places, boolean out) {
    for (long first = 0; first < from.elements(); first += places.length) {
      for (int j = 0; j < places.length; j++) {
        long inside = first + j;
        long outside = first + places[j];
        to.set(out ? outside : inside, from.get(out ? inside : outside));
      }
    }
  }

  /** Queries that {@link #parts} gave. */
  Queries read(SafetensorsFile file, List<ParameterBlock> blocks, long count) {
    Queries queries = new Queries(blocks, count);
    try {
      for (ParameterBlock block : blocks) {
        Tensor values = queries.values(block);
        try (Arena arena = Arena.ofConfined()) {
          if (block.isDiagonal()) {
            for (int row = 0; row < 2; row++) {
              Shape shape = Shape.of(count, block.outputs());
              Tensor one = file.tensor(name(parameter(block, row)), shape, arena);
              rows(values, one, row, false);
            }
          } else {
            Tensor stored = file.tensor(name(block.parameter()), values.shape(), arena);
            columns(stored, values, files.features(block), false);
          }
        }
      }
      return queries;
    } catch (RuntimeException e) {
      queries.close();
      throw e;
    }
  }
}
