package io.nepenthe.data;

import io.nepenthe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Named float32 tensors in one file of the safetensors format: statistics, scores, masks and
 * factors. A file is eight bytes with the header's length, a JSON header with every tensor's type,
 * shape and place, and the values, little-endian, one tensor after the other without gaps. Nothing
 * in it can run code. (Source: the format description of the safetensors project.)
 */
public final class Safetensors {
  private Safetensors() {}

  /**
   * What a file holds.
   *
   * @param metadata texts by name
   * @param tensors values by name, in the order of the file's header
   */
  public record Contents(Map<String, String> metadata, SequencedMap<String, Tensor> tensors) {
    /** Keeps copies of the maps. */
    public Contents {
      metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
      tensors = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tensors));
    }

    /**
     * The tensor of that name.
     *
     * @throws IllegalArgumentException if there is none
     */
    public Tensor tensor(String name) {
      Tensor tensor = tensors.get(name);
      if (tensor == null) {
        throw new IllegalArgumentException("no tensor is named " + DataException.quote(name));
      }
      return tensor;
    }
  }

  /**
   * Writes tensors in the map's order, and the metadata sorted by name: equal contents give equal
   * bytes. The file is there whole or not at all; what was there before is replaced.
   *
   * @throws DataException if the file cannot be written
   * @throws IllegalArgumentException if a name cannot stand in such a file
   */
  public static void write(
      Path file, Map<String, String> metadata, SequencedMap<String, Tensor> tensors) {
    SequencedMap<String, SafetensorsPart> parts = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> parts.put(name, SafetensorsPart.of(tensor)));
    SafetensorsFile.write(file, metadata, parts);
  }

  /**
   * Reads a whole file into {@code arena}. Every claim of the header is checked against the file's
   * length before memory is taken for it.
   *
   * @throws DataException if the file cannot be read, is damaged, or holds another type than
   *     float32
   */
  public static Contents read(Path file, Arena arena) {
    try (SafetensorsFile open = SafetensorsFile.open(file)) {
      SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
      open.names().forEach(name -> open.type(name, SafetensorsType.F32));
      open.names().forEach(name -> tensors.put(name, open.tensor(name, arena)));
      return new Contents(open.metadata(), tensors);
    }
  }
}
