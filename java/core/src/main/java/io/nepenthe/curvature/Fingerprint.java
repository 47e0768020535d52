package io.nepenthe.curvature;

import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Normalisation;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Parameters;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** SHA-256 of what a statistic was computed from, so that files of different origins are told. */
final class Fingerprint {
  private static final int CHUNK = 1 << 20;

  private final MessageDigest digest;

  private Fingerprint() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** What tells a model and how its images are normalised, for the metadata of files. */
  static SequencedMap<String, String> of(Model model, Normalisation normalisation) {
    SequencedMap<String, String> prints = new LinkedHashMap<>();
    prints.put("model", of(model));
    prints.put("network", of(model.network()));
    prints.put("normalisation", of(normalisation));
    return prints;
  }

  /** Of the names, shapes and values of parameters and running statistics. */
  private static String of(Model model) {
    Fingerprint print = new Fingerprint();
    print.add(model.parameters());
    print.add(model.buffers());
    return print.hex();
  }

  /** Of every layer and what feeds it. */
  private static String of(Network network) {
    Fingerprint print = new Fingerprint();
    print.add(network.toString());
    return print.hex();
  }

  /** Of the ids, labels and pixels of all samples, in order. */
  static String of(Dataset data) {
    return Datasets.sha256(data);
  }

  /** Of the geometry of blocks under their names in files. */
  static String of(List<ParameterBlock> blocks, FileLayout layout) {
    Fingerprint print = new Fingerprint();
    for (ParameterBlock block : blocks) {
      print.add(
          layout.name(block.parameter())
              + " "
              + block.part()
              + " "
              + block.convolution()
              + " "
              + block.outputs()
              + " "
              + block.columns());
    }
    return print.hex();
  }

  /** Readable, as it is short. */
  private static String of(Normalisation normalisation) {
    return "mean "
        + Arrays.toString(normalisation.mean())
        + ", std "
        + Arrays.toString(normalisation.std());
  }

  private void add(Parameters parameters) {
    for (Parameters.Parameter part : parameters.all()) {
      add(part.spec().name() + " " + part.spec().shape());
      add(part.value().segment());
    }
  }

  private void add(String text) {
    digest.update((text + "\n").getBytes(StandardCharsets.UTF_8));
  }

  private void add(MemorySegment bytes) {
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      digest.update(bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at)).asByteBuffer());
    }
  }

  private String hex() {
    return HexFormat.of().formatHex(digest.digest());
  }
}
