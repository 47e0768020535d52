package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsDraft;
import io.nepenthe.data.SafetensorsFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The kept activations of one model over one data set: a file for each of its {@link Chunks}, so
 * that partitions keep what they computed, and a killed run what was complete.
 */
final class ActivationSet implements AutoCloseable {
  private final Activations home;
  private final Map<String, String> identity;
  private final Chunks chunks;
  private final Map<Integer, SafetensorsFile> open = new HashMap<>();

  /**
   * What there is, or will be.
   *
   * @param identity metadata that the files must have
   */
  ActivationSet(Activations home, Map<String, String> identity, Chunks chunks) {
    this.home = home;
    this.identity = identity;
    this.chunks = chunks;
  }

  private Map<String, String> metadata(int chunk) {
    Map<String, String> metadata = new TreeMap<>(identity);
    metadata.put("positions", chunks.first(chunk) + " to " + (chunks.end(chunk) - 1));
    return metadata;
  }

  /** Not the name of a stage's chunk: there is nothing to merge. */
  private Path place(Path folder, int chunk) {
    return folder.resolve(
        String.format(
            Locale.ROOT,
            "activations-%s-%02d-of-%02d.safetensors",
            identity.get(Activations.GRADIENTS),
            chunk + 1,
            chunks.count()));
  }

  /**
   * A chunk, if it is there; compared with its checksums when it is first opened.
   *
   * @throws DataException if it is damaged, or was computed from something else
   */
  Optional<SafetensorsFile> file(int chunk) {
    if (!open.containsKey(chunk) && home.folder().isPresent()) {
      Path place = place(home.folder().get(), chunk);
      if (Files.exists(place)) {
        SafetensorsFile file = SafetensorsFile.open(place);
        open.put(chunk, file);
        StageFolder.require(place, file.metadata(), metadata(chunk));
        file.verify();
      }
    }
    return Optional.ofNullable(open.get(chunk));
  }

  /** What keeps a chunk of a pass that begins; keeps nothing if that is not wanted any more. */
  ActivationRecorder recorder(int chunk, ActivationLayout layout) {
    long samples = chunks.end(chunk) - chunks.first(chunk);
    SafetensorsDraft draft = null;
    if (home.records()) {
      try {
        draft =
            home.folder().isPresent()
                ? SafetensorsDraft.of(
                    place(home.folder().get(), chunk), metadata(chunk), layout.tensors(samples))
                : SafetensorsDraft.unnamed(home.place(), metadata(chunk), layout.tensors(samples));
      } catch (DataException e) {
        giveUp(e);
      }
    }
    return new ActivationRecorder(this, chunk, layout, draft);
  }

  void add(int chunk, SafetensorsFile file) {
    open.put(chunk, file);
  }

  void giveUp(DataException reason) {
    home.giveUp(reason);
  }

  @Override
  public void close() {
    open.values().forEach(SafetensorsFile::close);
    open.clear();
  }
}
