package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.tensor.Tensor;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Map;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.PositionOutputStream;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Types;

/**
 * Scores as Apache Parquet: a row for each query and example, with the query's number, the
 * example's id and the raw score. Uncompressed, since scores hardly shrink, and no native codec is
 * needed then.
 */
final class ParquetScores {
  private static final MessageType SCHEMA =
      new MessageType(
          "scores",
          Types.required(PrimitiveTypeName.INT64).named("query"),
          Types.required(PrimitiveTypeName.INT64).named("id"),
          Types.required(PrimitiveTypeName.FLOAT).named("score"));

  private ParquetScores() {}

  /**
   * Writes them.
   *
   * @param scores [queries, examples]
   * @param metadata kept in the file's footer
   */
  static void write(OutputStream out, Tensor scores, Dataset training, Map<String, String> metadata)
      throws IOException {
    long examples = scores.shape().size(1);
    SimpleGroupFactory rows = new SimpleGroupFactory(SCHEMA);
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(new Sink(out))
            .withConf(new PlainParquetConfiguration())
            .withType(SCHEMA)
            .withExtraMetaData(metadata)
            .withCompressionCodec(CompressionCodecName.UNCOMPRESSED)
            .build()) {
      for (long i = 0; i < scores.elements(); i++) {
        writer.write(
            rows.newGroup()
                .append("query", i / examples)
                .append("id", training.id(i % examples))
                .append("score", scores.get(i)));
      }
    }
  }

  /** A stream as the library writes to one; whoever opened it closes it. */
  private record Sink(OutputStream out) implements OutputFile {
    @Override
    public PositionOutputStream create(long blockSize) {
      return new Counting(out);
    }

    @Override
    public PositionOutputStream createOrOverwrite(long blockSize) {
      return create(blockSize);
    }

    @Override
    public boolean supportsBlockSize() {
      return false;
    }

    @Override
    public long defaultBlockSize() {
      return 0;
    }
  }

  private static final class Counting extends PositionOutputStream {
    private final OutputStream out;
    private long position;

    Counting(OutputStream out) {
      this.out = out;
    }

    @Override
    public long getPos() {
      return position;
    }

    @Override
    public void write(int value) throws IOException {
      out.write(value);
      position++;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      out.write(bytes, offset, length);
      position += length;
    }
  }
}
