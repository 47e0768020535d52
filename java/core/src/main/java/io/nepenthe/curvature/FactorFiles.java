package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsFile;
import io.nepenthe.data.SafetensorsPart;
import io.nepenthe.data.SafetensorsType;
import io.nepenthe.tensor.Shape;
import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The tensors of the stages' files. Sums are float64 beside their int64 counts, eigenvectors
 * float32. Features are in the order of the model file's weights, which for a convolution is
 * channel, kernel row, kernel column, and last the bias.
 *
 * @param layout names and order
 */
record FactorFiles(FileLayout layout) {
  private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

  private String name(String statistic, String parameter) {
    return statistic + "." + layout.name(parameter);
  }

  /** The file's position of each feature of a block. */
  int[] features(ParameterBlock block) {
    int[] places = new int[Math.toIntExact(block.columns())];
    for (int j = 0; j < places.length; j++) {
      boolean one = block.part() == ParameterBlock.Part.BIAS;
      boolean last = block.appendsOne() && j == places.length - 1;
      places[j] = one || last ? j : Math.toIntExact(layout.feature(block.weight(), j));
    }
    return places;
  }

  private static int[] inOrder(long size) {
    int[] places = new int[Math.toIntExact(size)];
    for (int j = 0; j < places.length; j++) {
      places[j] = j;
    }
    return places;
  }

  /** A sum's count. */
  private static long processed(SafetensorsFile file, String name) {
    long count = file.integers(StageNames.processed(name), 1)[0];
    if (count < 1) {
      throw new DataException(
          file.toString(), StageNames.processed(name) + " of 1 or more", "" + count);
    }
    return count;
  }

  /** A mean of squares, as it must be. */
  private static float square(SafetensorsFile file, String name, float mean) {
    if (!(mean >= 0 && mean < Float.POSITIVE_INFINITY)) {
      throw damaged(file, name, "sums of squares", "a mean of " + mean);
    }
    return mean;
  }

  private static DataException damaged(
      SafetensorsFile file, String name, String expected, String found) {
    return new DataException(file + ": tensor \"" + name + "\"", expected, found);
  }

  // Covariances.

  SequencedMap<String, SafetensorsPart> covariance(KroneckerFactors factors) {
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    for (ParameterBlock block : factors.blocks()) {
      if (block.isDiagonal()) {
        squares(parts, block, factors);
      } else {
        symmetric(parts, factors, StageNames.INPUTS, block, features(block));
        symmetric(parts, factors, StageNames.GRADIENTS, block, inOrder(block.groupOutputs()));
      }
    }
    return parts;
  }

  private void squares(
      SequencedMap<String, SafetensorsPart> parts, ParameterBlock block, KroneckerFactors factors) {
    for (String parameter : List.of(block.weight(), block.bias())) {
      ChunkedSum sum = factors.state().get(StageNames.SQUARES + "." + parameter);
      String name = name(StageNames.SQUARES, parameter);
      parts.put(name, SafetensorsPart.doubles(sum.shape(), sum.total()));
      parts.put(StageNames.processed(name), SafetensorsPart.integers(sum.processed()));
    }
  }

  private void symmetric(
      SequencedMap<String, SafetensorsPart> parts,
      KroneckerFactors factors,
      String statistic,
      ParameterBlock block,
      int[] places) {
    ChunkedSum sum = factors.state().get(statistic + "." + block.parameter());
    String name = name(statistic, block.parameter());
    parts.put(
        name,
        new SafetensorsPart(
            SafetensorsType.F64, sum.shape(), arena -> mirrored(arena, sum.total(), places)));
    parts.put(StageNames.processed(name), SafetensorsPart.integers(sum.processed()));
  }

  /** Both halves in the file's order, of matrices of which the upper half was summed. */
  private static MemorySegment mirrored(Arena arena, MemorySegment upper, int[] places) {
    int n = places.length;
    MemorySegment out = arena.allocate(upper.byteSize(), Double.BYTES);
    for (long first = 0; first < upper.byteSize() / Double.BYTES; first += (long) n * n) {
      for (int i = 0; i < n; i++) {
        for (int j = i; j < n; j++) {
          double value = upper.getAtIndex(DOUBLE, first + (long) i * n + j);
          out.setAtIndex(DOUBLE, first + (long) places[i] * n + places[j], value);
          out.setAtIndex(DOUBLE, first + (long) places[j] * n + places[i], value);
        }
      }
    }
    return out;
  }

  /** Sums that {@link #covariance} wrote. */
  void readCovariance(SafetensorsFile file, KroneckerFactors factors) {
    for (ParameterBlock block : factors.blocks()) {
      if (block.isDiagonal()) {
        for (String parameter : List.of(block.weight(), block.bias())) {
          String name = name(StageNames.SQUARES, parameter);
          int[] places = inOrder(block.outputs());
          ChunkedSum sum = factors.state().get(StageNames.SQUARES + "." + parameter);
          try (Arena arena = Arena.ofConfined()) {
            sum.total().copyFrom(file.doubles(name, sum.shape(), arena));
          }
          sum.resume(0, processed(file, name));
        }
      } else {
        read(file, factors, StageNames.INPUTS, block, features(block));
        read(file, factors, StageNames.GRADIENTS, block, inOrder(block.groupOutputs()));
      }
    }
  }

  private void read(
      SafetensorsFile file,
      KroneckerFactors factors,
      String statistic,
      ParameterBlock block,
      int[] places) {
    ChunkedSum sum = factors.state().get(statistic + "." + block.parameter());
    String name = name(statistic, block.parameter());
    int n = places.length;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = file.doubles(name, sum.shape(), arena);
      for (long first = 0; first < sum.shape().elements(); first += (long) n * n) {
        for (int i = 0; i < n; i++) {
          for (int j = 0; j < n; j++) {
            double value = from.getAtIndex(DOUBLE, first + (long) places[i] * n + places[j]);
            sum.total().setAtIndex(DOUBLE, first + (long) i * n + j, value);
          }
        }
      }
    }
    sum.resume(0, processed(file, name));
  }

  // Eigenvectors.

  SequencedMap<String, SafetensorsPart> eigen(KroneckerFactors factors, EkFac ekfac) {
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    for (ParameterBlock block : ekfac.blocks()) {
      if (block.isDiagonal()) {
        squares(parts, block, factors);
        continue;
      }
      EigenBasis basis = ekfac.bases().get(block.name());
      String of = block.parameter();
      vectors(parts, name(StageNames.INPUT_VECTORS, of), basis.inputVectors(), features(block));
      values(parts, name(StageNames.INPUT_VALUES, of), basis.inputValues());
      int[] inOrder = inOrder(block.groupOutputs());
      vectors(parts, name(StageNames.GRADIENT_VECTORS, of), basis.gradientVectors(), inOrder);
      values(parts, name(StageNames.GRADIENT_VALUES, of), basis.gradientValues());
    }
    return parts;
  }

  private static Shape shape(Tensor vectors) {
    Shape shape = vectors.shape();
    return KroneckerFactors.square((int) shape.size(0), shape.size(1));
  }

  private static void vectors(
      SequencedMap<String, SafetensorsPart> parts, String name, Tensor vectors, int[] places) {
    parts.put(
        name,
        new SafetensorsPart(
            SafetensorsType.F32,
            shape(vectors),
            arena -> {
              Tensor out = Tensor.zeros(arena, vectors.shape());
              rows(vectors, out, places, true);
              return out.segment();
            }));
  }

  /** Moves the rows of matrices between the engine's order and the file's. */
  private static void rows(Tensor from, Tensor to, int[] places, boolean out) {
    int n = places.length;
    Shape row = Shape.of(n);
    for (long first = 0; first < from.elements(); first += (long) n * n) {
      for (int i = 0; i < n; i++) {
        long inside = first + (long) i * n;
        long outside = first + (long) places[i] * n;
        to.slice(out ? outside : inside, row).copyFrom(from.slice(out ? inside : outside, row));
      }
    }
  }

  private static void values(
      SequencedMap<String, SafetensorsPart> parts, String name, double[][] values) {
    Shape shape =
        values.length == 1 ? Shape.of(values[0].length) : Shape.of(values.length, values[0].length);
    parts.put(
        name,
        new SafetensorsPart(
            SafetensorsType.F64,
            shape,
            arena -> {
              MemorySegment out = arena.allocate(shape.elements() * Double.BYTES, Double.BYTES);
              long at = 0;
              for (double[] group : values) {
                MemorySegment.copy(group, 0, out, DOUBLE, at, group.length);
                at += (long) group.length * Double.BYTES;
              }
              return out;
            }));
  }

  /** Eigenvectors that {@link #eigen} wrote, with Λ still to come. */
  EkFac readEigen(SafetensorsFile file, List<ParameterBlock> blocks, FactorOptions options) {
    try (Arena scratch = Arena.ofConfined()) {
      Map<String, Tensor> diagonals = new HashMap<>();
      for (ParameterBlock block : blocks) {
        if (block.isDiagonal()) {
          diagonals.put(block.name(), diagonal(file, block, scratch));
        }
      }
      return new EkFac(blocks, options, arena -> bases(file, blocks, arena), diagonals);
    }
  }

  private Tensor diagonal(SafetensorsFile file, ParameterBlock block, Arena arena) {
    Tensor out = Tensor.zeros(arena, EkFac.shape(block));
    long at = 0;
    for (String parameter : List.of(block.weight(), block.bias())) {
      String name = name(StageNames.SQUARES, parameter);
      MemorySegment sums = file.doubles(name, Shape.of(block.outputs()), arena);
      long processed = processed(file, name);
      for (long c = 0; c < block.outputs(); c++) {
        out.set(at++, square(file, name, (float) sums.getAtIndex(DOUBLE, c) / processed));
      }
    }
    return out;
  }

  private Map<String, EigenBasis> bases(
      SafetensorsFile file, List<ParameterBlock> blocks, Arena arena) {
    Map<String, EigenBasis> bases = new LinkedHashMap<>();
    for (ParameterBlock block : blocks) {
      if (!block.isDiagonal()) {
        String of = block.parameter();
        int groups = block.groups();
        bases.put(
            block.name(),
            new EigenBasis(
                block,
                vectors(file, name(StageNames.INPUT_VECTORS, of), groups, features(block), arena),
                vectors(
                    file,
                    name(StageNames.GRADIENT_VECTORS, of),
                    groups,
                    inOrder(block.groupOutputs()),
                    arena),
                values(file, name(StageNames.INPUT_VALUES, of), groups, block.columns()),
                values(file, name(StageNames.GRADIENT_VALUES, of), groups, block.groupOutputs()),
                0));
      }
    }
    return bases;
  }

  private static Tensor vectors(
      SafetensorsFile file, String name, int groups, int[] places, Arena arena) {
    Tensor out = Tensor.zeros(arena, groups, places.length, places.length);
    try (Arena scratch = Arena.ofConfined()) {
      Tensor read = file.tensor(name, KroneckerFactors.square(groups, places.length), scratch);
      for (long i = 0; i < read.elements(); i++) {
        if (!Float.isFinite(read.get(i))) {
          throw damaged(file, name, "finite values", "" + read.get(i));
        }
      }
      rows(read, out, places, false);
    }
    return out;
  }

  private static double[][] values(SafetensorsFile file, String name, int groups, long size) {
    double[][] values = new double[groups][];
    Shape shape = groups == 1 ? Shape.of(size) : Shape.of(groups, size);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment all = file.doubles(name, shape, arena);
      for (int group = 0; group < groups; group++) {
        long bytes = size * Double.BYTES;
        values[group] = all.asSlice(group * bytes, bytes).toArray(DOUBLE);
      }
    }
    return values;
  }

  // Λ: both of its axes count eigenvectors.

  SequencedMap<String, SafetensorsPart> lambda(EkFac.Correction correction, EkFac ekfac) {
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    for (ParameterBlock block : ekfac.blocks()) {
      if (!block.isDiagonal()) {
        ChunkedSum sum = correction.state().get(StageNames.LAMBDA + "." + block.parameter());
        String name = name(StageNames.LAMBDA, block.parameter());
        Shape shape = EkFac.shape(block);
        parts.put(name, SafetensorsPart.doubles(shape, sum.total()));
        parts.put(StageNames.processed(name), SafetensorsPart.integers(sum.processed()));
      }
    }
    return parts;
  }

  /** Sums that {@link #lambda} wrote. */
  void readLambda(SafetensorsFile file, EkFac ekfac) {
    for (ParameterBlock block : ekfac.blocks()) {
      if (!block.isDiagonal()) {
        String name = name(StageNames.LAMBDA, block.parameter());
        long processed = processed(file, name);
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment sums = file.doubles(name, EkFac.shape(block), arena);
          Tensor mean = ekfac.eigenvalues(block);
          for (long i = 0; i < mean.elements(); i++) {
            mean.set(i, square(file, name, (float) (sums.getAtIndex(DOUBLE, i) / processed)));
          }
        }
      }
    }
  }
}
