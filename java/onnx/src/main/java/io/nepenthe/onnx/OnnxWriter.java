package io.nepenthe.onnx;

import com.google.protobuf.CodedOutputStream;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.nn.Model;
import io.nepenthe.onnx.schema.ModelProto;
import io.nepenthe.onnx.schema.OperatorSetIdProto;
import io.nepenthe.onnx.schema.StringStringEntryProto;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes ONNX files that every runtime reads: standard operators only, weights inside, the batch
 * size open. Equal models give equal bytes.
 */
public final class OnnxWriter {
  /** The metadata property that says what wrote the file. */
  public static final String PRODUCER = "producer";

  private static final String NAME = "nepenthe";

  /** Protobuf cannot hold more in one message; the rest is for names and nodes. */
  private static final long MOST_BYTES = Integer.MAX_VALUE - (64L << 20);

  private static final int OPSET = 17;

  private OnnxWriter() {}

  /**
   * Writes a model of the engine under the engine's names.
   *
   * @param model what to write
   * @param file its place; there whole or not at all
   * @throws OnnxException if the model is too large for the format
   * @throws io.nepenthe.data.DataException if the file cannot be written
   */
  public static void write(Model model, Path file) {
    write(OnnxModel.of(model), file);
  }

  /**
   * Writes a model under its own names, with its metadata and ending.
   *
   * @param model what to write
   * @param file its place; there whole or not at all
   * @throws OnnxException if the model is too large for the format
   * @throws io.nepenthe.data.DataException if the file cannot be written
   */
  public static void write(OnnxModel model, Path file) {
    long bytes = model.initialisers().values().stream().mapToLong(i -> i.shape().bytes()).sum();
    if (bytes > MOST_BYTES) {
      throw new OnnxException(
          file.toString(), "weights of at most " + MOST_BYTES + " bytes", bytes + " bytes");
    }
    ModelProto proto = proto(model);
    AtomicFile.write(
        file,
        out -> {
          CodedOutputStream coded = CodedOutputStream.newInstance(out, 1 << 16);
          proto.writeTo(coded);
          coded.flush();
        });
  }

  static ModelProto proto(OnnxModel model) {
    GraphWriter graph = new GraphWriter(model, OPSET);
    ModelProto.Builder proto =
        ModelProto.newBuilder()
            .setProducerName(NAME)
            .setGraph(graph.write())
            // The format's version in which that operator set appeared.
            .setIrVersion(graph.opset() > OPSET ? 9 : 8)
            .addOpsetImport(
                OperatorSetIdProto.newBuilder().setDomain("").setVersion(graph.opset()));
    Map<String, String> metadata = new TreeMap<>(model.metadata());
    // With its version, where the caller says it; of a file that was read, another tool's name
    // goes.
    metadata.merge(PRODUCER, NAME, (said, name) -> said.startsWith(name) ? said : name);
    metadata.forEach(
        (key, value) ->
            proto.addMetadataProps(
                StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
    return proto.build();
  }
}
