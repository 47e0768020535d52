package io.nepenthe.curvature;

import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.DataException;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;

/**
 * Where a pass over training data keeps the inputs and output gradients of the layers, so that
 * later passes of the same model over the same data read them and need no model: N·Σ T(I + O)
 * values of four bytes, for inputs as they are before they are unfolded. No result depends on it,
 * not in one bit. {@link ActivationPlan} says whether it pays.
 *
 * <p>Of the processor's memory only: a device keeps nothing here.
 */
public final class Activations implements AutoCloseable {
  static final String GRADIENTS = "gradients";

  private static final Activations NONE = new Activations(Path.of(""), false, false, line -> {});

  private final Path place;
  private final boolean named;
  private final Consumer<String> note;
  private final Map<Map<String, String>, ActivationSet> sets = new HashMap<>();
  private final Map<Dataset, String> data = new IdentityHashMap<>();
  private boolean records;

  private Activations(Path place, boolean named, boolean records, Consumer<String> note) {
    this.place = place;
    this.named = named;
    this.records = records;
    this.note = note;
  }

  /** Every pass goes through the model. */
  public static Activations none() {
    return NONE;
  }

  /**
   * Kept until this is closed, or the process ends, in files without names.
   *
   * @param folder on whose disk
   * @param note told, in a line, if the disk has no room: passes then go through the model
   */
  public static Activations temporary(Path folder, Consumer<String> note) {
    return new Activations(folder, false, true, note);
  }

  /**
   * Kept in files, for later commands, and taken from them if they are there. Files of another
   * model, other data or other choices are refused, and damaged ones. What killed runs left
   * unfinished is deleted.
   *
   * @param folder of the files; made when the first is written
   * @param records whether what is not there is kept as well
   * @param note told, in a line, if the disk has no room: passes then go through the model
   */
  public static Activations in(Path folder, boolean records, Consumer<String> note) {
    AtomicFile.deleteAbandoned(folder);
    return new Activations(folder, true, records, note);
  }

  /** Where files have names. */
  Optional<Path> folder() {
    return named ? Optional.of(place) : Optional.empty();
  }

  Path place() {
    return place;
  }

  boolean records() {
    return records;
  }

  void giveUp(DataException reason) {
    records = false;
    if (!named) {
      // Their room on the disk may be what the results want.
      sets.values().forEach(ActivationSet::close);
    }
    note.accept("activations are not kept: " + reason.getMessage());
  }

  /**
   * Those of a statistic's passes.
   *
   * @param layers the names of those that are visited
   * @param gradients which output gradients, in a word
   * @return empty if none are kept
   */
  Optional<ActivationSet> of(
      Model model,
      Dataset training,
      Normalisation normalisation,
      Set<String> layers,
      String gradients) {
    if (this == NONE) {
      return Optional.empty();
    }
    Map<String, String> identity = new TreeMap<>();
    identity.put("schema", FactorStages.SCHEMA);
    identity.put(FactorStages.STAGE, "activations");
    identity.put(GRADIENTS, gradients);
    identity.put(FactorStages.LAYERS, String.join(",", new TreeSet<>(layers)));
    identity.putAll(Fingerprint.of(model, normalisation));
    identity.put("data", fingerprint(training));
    identity.put("samples", Long.toString(training.size()));
    return Optional.of(
        sets.computeIfAbsent(
            identity, key -> new ActivationSet(this, key, Chunks.of(training.size()))));
  }

  /** Of a data set, which is read for it once; within one process the object stands for it. */
  private String fingerprint(Dataset training) {
    return data.computeIfAbsent(
        training, key -> named ? Fingerprint.of(key) : "number " + data.size());
  }

  /** What a caller knows already. */
  void know(Dataset training, String fingerprint) {
    if (this != NONE) {
      data.put(training, fingerprint);
    }
  }

  /** Deletes files without names; closing again does nothing. */
  @Override
  public void close() {
    sets.values().forEach(ActivationSet::close);
    sets.clear();
  }
}
