package io.nepenthe.onnx;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.DiscardUnknownFieldsParser;
import com.google.protobuf.UnsafeByteOperations;
import io.nepenthe.onnx.schema.ModelProto;
import io.nepenthe.onnx.schema.OperatorSetIdProto;
import io.nepenthe.onnx.schema.StringStringEntryProto;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads the models of ONNX files that are chains and residual graphs of convolutions, linear
 * layers, normalisations, poolings and activations, whatever tool wrote them. Weights may lie in
 * other files of the same folder. Nothing else is read: no other file that the model names, no
 * code.
 */
public final class OnnxReader {
  /** What an array holds. */
  static final long MOST_BYTES = Integer.MAX_VALUE - 64;

  private static final int OLDEST_OPSET = 7;
  private static final int NEWEST_OPSET = 25;

  private OnnxReader() {}

  /**
   * Reads a model.
   *
   * @param file an ONNX file, with its weights inside or in files beside it
   * @return the model, to be closed by the caller
   * @throws OnnxException if the file cannot be read, is damaged, or has what the engine does not;
   *     the message names the file, the node and the reason
   */
  public static OnnxModel read(Path file) {
    String where = file.toString();
    try {
      return read(where, parse(where, bytes(where, file)), new ExternalData(file));
    } catch (OutOfMemoryError e) {
      throw new OnnxException(where, "enough memory for the model", "none left", e);
    }
  }

  private static byte[] bytes(String where, Path file) {
    try {
      if (Files.exists(file) && !Files.isRegularFile(file)) {
        String found = Files.isDirectory(file) ? "a folder" : "neither a file nor a folder";
        throw new OnnxException(where, "a file", found);
      }
      long size = Files.size(file);
      if (size > MOST_BYTES) {
        throw new OnnxException(
            where, "a model of at most " + MOST_BYTES + " bytes", size + " bytes");
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new OnnxException(where, "a readable file", reason(e), e);
    }
  }

  /** What went wrong, in words. */
  static String reason(IOException e) {
    return switch (e) {
      case NoSuchFileException _ -> "no such file";
      case AccessDeniedException _ -> "permission denied";
      case FileSystemException f when f.getReason() != null -> f.getReason();
      default -> e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    };
  }

  private static ModelProto parse(String where, byte[] bytes) {
    // The bytes are nobody else's: weights stay where they are.
    CodedInputStream in = UnsafeByteOperations.unsafeWrap(bytes).newCodedInput();
    in.enableAliasing(true);
    in.setSizeLimit(Integer.MAX_VALUE);
    try {
      return DiscardUnknownFieldsParser.wrap(ModelProto.parser()).parseFrom(in);
    } catch (IOException e) {
      throw new OnnxException(where, "an ONNX model", "damaged bytes: " + e.getMessage(), e);
    }
  }

  private static OnnxModel read(String where, ModelProto proto, ExternalData external) {
    if (!proto.hasGraph() || proto.getIrVersion() < 3) {
      throw new OnnxException(
          where,
          "an ONNX model of format version 3 or later",
          proto.hasGraph() ? "version " + proto.getIrVersion() : "no graph");
    }
    int opset = opset(where, proto);
    Map<String, String> metadata = new TreeMap<>();
    for (StringStringEntryProto entry : proto.getMetadataPropsList()) {
      metadata.put(entry.getKey(), entry.getValue());
    }
    return new GraphReader(where, proto.getGraph(), opset, external).read(metadata);
  }

  private static int opset(String where, ModelProto proto) {
    for (OperatorSetIdProto set : proto.getOpsetImportList()) {
      if (set.getDomain().isEmpty() || set.getDomain().equals("ai.onnx")) {
        if (set.getVersion() < OLDEST_OPSET || set.getVersion() > NEWEST_OPSET) {
          throw new OnnxException(
              where,
              "operator set " + OLDEST_OPSET + " to " + NEWEST_OPSET,
              "operator set " + set.getVersion());
        }
        return (int) set.getVersion();
      }
    }
    throw new OnnxException(where, "the standard operator set", "none");
  }
}
