package io.nepenthe.onnx;

import io.nepenthe.onnx.schema.StringStringEntryProto;
import io.nepenthe.onnx.schema.TensorProto;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Values that lie in other files beside a model's, as PyTorch exports them by default. A model that
 * somebody else made names these files: only those in its own folder, or below, are read.
 */
final class ExternalData {
  private final Path folder;
  private final List<Path> files = new ArrayList<>();

  /** Of the model in a file. */
  ExternalData(Path model) {
    this.folder = model.toAbsolutePath().normalize().getParent();
  }

  static boolean has(TensorProto tensor) {
    return tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL
        || tensor.getExternalDataCount() > 0;
  }

  /** The files that were read, each once, in the order of their first use. */
  List<Path> files() {
    return List.copyOf(files);
  }

  /**
   * A tensor's values.
   *
   * @param where the file and the tensor
   * @param count of the values
   * @param bytes that each takes
   * @throws OnnxException if there are not so many, or the file is not to be read
   */
  ByteBuffer read(String where, TensorProto tensor, long count, int bytes) {
    if (count > OnnxReader.MOST_BYTES / bytes) {
      throw new OnnxException(
          where,
          "at most " + OnnxReader.MOST_BYTES + " bytes of values",
          count + " values of " + bytes + " bytes");
    }
    long size = count * bytes;
    String name =
        entry(where, tensor, "location")
            .orElseThrow(() -> new OnnxException(where, "the location of its values", "none"));
    Path file = file(where, name);
    long offset = number(where, tensor, "offset").orElse(0L);
    long length = number(where, tensor, "length").orElse(size);
    if (length != size) {
      throw new OnnxException(where, size + " bytes of values", length + " bytes");
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      if (offset > channel.size() - size) {
        throw new OnnxException(
            where,
            size + " bytes from byte " + offset + " of " + OnnxException.quote(name),
            channel.size() + " bytes in all");
      }
      ByteBuffer values = ByteBuffer.allocate((int) size);
      while (values.hasRemaining()) {
        if (channel.read(values, offset + values.position()) < 0) {
          throw new EOFException("it became shorter");
        }
      }
      if (!files.contains(file)) {
        files.add(file);
      }
      return values.flip().order(ByteOrder.LITTLE_ENDIAN);
    } catch (IOException e) {
      throw new OnnxException(
          where, "values in " + OnnxException.quote(name), OnnxReader.reason(e), e);
    }
  }

  private Path file(String where, String name) {
    String wanted = "values in a file of the model's folder";
    try {
      Path file = folder.resolve(name).normalize();
      if (name.isEmpty() || !file.startsWith(folder) || file.equals(folder)) {
        throw new OnnxException(where, wanted, OnnxException.quote(name));
      }
      if (!Files.exists(file)) {
        throw new OnnxException(
            where, "values in " + OnnxException.quote(name) + " beside the model", "no such file");
      }
      // Links may lead elsewhere.
      boolean inside = file.toRealPath().startsWith(folder.toRealPath());
      if (!inside || !Files.isRegularFile(file)) {
        throw new OnnxException(
            where,
            wanted,
            OnnxException.quote(name) + (inside ? ", which is no file" : ", a link"));
      }
      return file;
    } catch (InvalidPathException e) {
      throw new OnnxException(where, wanted, OnnxException.quote(name), e);
    } catch (IOException e) {
      throw new OnnxException(where, wanted, OnnxReader.reason(e), e);
    }
  }

  private static Optional<String> entry(String where, TensorProto tensor, String key) {
    List<String> found =
        tensor.getExternalDataList().stream()
            .filter(entry -> entry.getKey().equals(key))
            .map(StringStringEntryProto::getValue)
            .toList();
    if (found.size() > 1) {
      throw new OnnxException(where, "one " + key + " of its values", found.size() + " of them");
    }
    return found.stream().findFirst();
  }

  private static Optional<Long> number(String where, TensorProto tensor, String key) {
    return entry(where, tensor, key)
        .map(
            text -> {
              try {
                long value = Long.parseLong(text);
                if (value >= 0) {
                  return value;
                }
              } catch (NumberFormatException _) {
                // Said below.
              }
              throw new OnnxException(
                  where, "a whole number as the " + key, OnnxException.quote(text));
            });
  }
}
