package io.nepenthe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpzTest {
  /** numpy.savez_compressed(images=uint8 3×2×4 of 0, 10, …, 230; labels=int64 [2, 0, 1]). */
  private static final String COMPRESSED =
      "UEsDBC0AAAAIAAAAIQCLfwrR//////////8KABQAaW1hZ2VzLm5weQEAEACYAAAAAAAAAGIAAAAAAAAAm+wX"
          + "6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjoKRjoKJpo6"
          + "CrUK5AEuBi4ROQ0jG7eAqJS8iqaeaQtWbdl34tKdZwBQSwMELQAAAAgAAAAhAIoazhP//////////woAFABs"
          + "YWJlbHMubnB5AQAQAJgAAAAAAAAASgAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKU"
          + "mBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuJgZUwAilAVBLAQItAy0AAAAIAAAAIQCLfwrRYgAA"
          + "AJgAAAAKAAAAAAAAAAAAAACAAQAAAABpbWFnZXMubnB5UEsBAi0DLQAAAAgAAAAhAIoazhNKAAAAmAAAAAoA"
          + "AAAAAAAAAAAAAIABngAAAGxhYmVscy5ucHlQSwUGAAAAAAIAAgBwAAAAJAEAAAAA";

  /** numpy.savez(x_test=float64, big-endian, [[0, .25, .5, 1]]; y_test=uint16 [[3]]). */
  private static final String STORED =
      "UEsDBC0AAAAAAAAAIQDej6o6//////////8KABQAeF90ZXN0Lm5weQEAEACgAAAAAAAAAKAAAAAAAAAAk05V"
          + "TVBZAQB2AHsnZGVzY3InOiAnPmY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsIDQp"
          + "LCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoA"
          + "AAAAAAAAAD/QAAAAAAAAP+AAAAAAAAA/8AAAAAAAAFBLAwQtAAAAAAAAACEAc1hf5v//////////CgAUAHlf"
          + "dGVzdC5ucHkBABAAggAAAAAAAACCAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzx1MicsICdmb3J0cmFu"
          + "X29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCAxKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
          + "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAwBQSwECLQMtAAAAAAAAACEA3o+qOqAAAACgAAAACgAA"
          + "AAAAAAAAAAAAgAEAAAAAeF90ZXN0Lm5weVBLAQItAy0AAAAAAAAAIQBzWF/mggAAAIIAAAAKAAAAAAAAAAAA"
          + "AACAAdwAAAB5X3Rlc3QubnB5UEsFBgAAAAACAAIAcAAAAJoBAAAAAA==";

  @TempDir private Path folder;

  private Path file(String name, byte[] bytes) throws IOException {
    return Files.write(folder.resolve(name), bytes);
  }

  private static byte[] npy(String header, byte[] data) {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    return ImageFiles.bytes(
        out -> {
          out.write(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
          out.write(new byte[] {(byte) text.length, (byte) (text.length >> 8)});
          out.write(text);
          out.write(data);
        });
  }

  private static byte[] npy(String type, String shape, byte[] data) {
    return npy(
        "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n", data);
  }

  private static byte[] floats(float... values) {
    ByteBuffer out = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    out.asFloatBuffer().put(values);
    return out.array();
  }

  @Test
  void readsWhatNumpyWrites() throws IOException {
    Path npz = file("a.npz", Base64.getDecoder().decode(COMPRESSED));
    Dataset dataset = DataSource.open("npz:" + npz, 0);
    assertEquals(new ImageShape(2, 4, 1), dataset.image());
    assertArrayEquals(new int[] {2, 0, 1}, Fixtures.labels(dataset));
    assertEquals(230 / 255f, Fixtures.pixels(dataset, 2)[7]);
    assertEquals(90 / 255f, Fixtures.pixels(dataset, 1)[1]);

    Path stored = file("b.npz", Base64.getDecoder().decode(STORED));
    Dataset row = DataSource.open("npz:" + stored + "!/test", 0);
    assertEquals(new ImageShape(2, 2, 1), row.image());
    assertEquals(4, row.classes());
    assertArrayEquals(new float[] {0, 0.25f, 0.5f, 1}, Fixtures.pixels(row, 0));
    Fixtures.refused(
        () -> DataSource.open("npz:" + stored, 0), "b.npz", "images and labels", "x_test.npy");
  }

  @Test
  void writesWhatItReads() throws IOException {
    Dataset bytes = Datasets.shuffled(Fixtures.random(30), 1);
    Dataset floats = BadNets.of(1, Amount.count(9)).apply(bytes, 1, 1).dataset();
    Dataset odd = Altered.everywhere(bytes, new Altered.Patch(BadNets.Corner.TOP_LEFT, 2, 0.123f));
    for (Dataset dataset : new Dataset[] {bytes, floats, odd}) {
      Path npz = folder.resolve("out/x.npz");
      Npz.write(dataset, npz);
      Fixtures.assertSame(dataset, DataSource.open("npz:" + npz, 0));
      byte[] first = Files.readAllBytes(npz);
      Npz.write(dataset, npz);
      assertArrayEquals(first, Files.readAllBytes(npz));
    }
  }

  @Test
  void everyNumberTypeIsRead() throws IOException {
    Path labels = file("l", npy("<i4", "(1,)", new byte[] {1, 0, 0, 0}));
    String[] types = {"|u1", "|i1", "<u2", ">u2", "<i4", ">i4", "<i8", ">u8", "<f4", ">f8", "<f2"};
    for (String type : types) {
      int each = type.charAt(2) - '0';
      ByteBuffer data =
          ByteBuffer.allocate(2 * each)
              .order(type.startsWith(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
      boolean real = type.charAt(1) == 'f';
      for (int value : new int[] {102, 51}) {
        switch (each) {
          case 1 -> data.put((byte) value);
          case 2 -> data.putShort(real ? Float.floatToFloat16(value) : (short) value);
          case 4 -> data.putInt(real ? Float.floatToRawIntBits(value) : value);
          default -> data.putLong(real ? Double.doubleToRawLongBits(value) : value);
        }
      }
      Path images = file("i", npy(type, "(1, 1, 2)", data.array()));
      Dataset dataset = DataSource.open("npy:" + images + "," + labels, 0);
      assertArrayEquals(new float[] {0.4f, 0.2f}, Fixtures.pixels(dataset, 0), type);
      assertEquals(1, dataset.label(0));
    }
  }

  @Test
  void valuesBeyondPixelsAreRefused() throws IOException {
    Path labels = file("l", npy("|u1", "(1,)", new byte[] {1}));
    float[][] wrong = {
      {0, -0.1f}, {0, 1.5f}, {0, 256}, {0, Float.NaN}, {Float.POSITIVE_INFINITY, 0}
    };
    for (float[] values : wrong) {
      Path images = file("i", npy("<f4", "(1, 1, 2)", floats(values)));
      Fixtures.refused(
          () -> Npz.read(images, labels, Limits.DEFAULT), images.toString(), "from 0 to 1");
    }
  }

  @Test
  void pickledObjectsAreNeverRead() throws IOException {
    Path labels = file("l", npy("|u1", "(1,)", new byte[] {1}));
    Path images = file("i", npy("|O", "(1, 1, 1)", new byte[] {(byte) 0x80, 4, 'N', '.'}));
    Fixtures.refused(() -> Npz.read(images, labels, Limits.DEFAULT), "Python objects", "code");
  }

  @Test
  void headersAreParsedStrictly() throws IOException {
    Path labels = file("l", npy("|u1", "(1,)", new byte[] {1}));
    String good = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 2), }";
    for (String header :
        new String[] {good, "{'shape':(1,1,2),'fortran_order':False,'descr':'|u1'}   \n"}) {
      Path images = file("i", npy(header, new byte[2]));
      assertEquals(1, Npz.read(images, labels, Limits.DEFAULT).size());
    }
    String[] wrong = {
      "",
      "{}",
      good.replace("False", "false"),
      good.replace("False", "True"),
      good.replace("|u1", "|u3"),
      good.replace("|u1", "u1"),
      good.replace("|u1", "|S1"),
      good.replace("(1, 1, 2)", "(1, 1, -2)"),
      good.replace("(1, 1, 2)", "(1, 1, 2"),
      good.replace("(1, 1, 2)", "(1, , 2)"),
      good.replace("(1, 1, 2)", "(2)"),
      good.replace("(1, 1, 2)", "(2,)"),
      good.replace("(1, 1, 2)", "(1, 1, 1, 1, 1, 1, 2)"),
      good.replace("(1, 1, 2)", "(1, 2, 2)"),
      good.replace("(1, 1, 2)", "(1, 1, 1)"),
      good.replace("(1, 1, 2)", "(999999999999999999, 999999999999999999, 2)"),
      good.replace("(1, 1, 2)", "(0, 999999999, 999999999)"),
      good.replace("(1, 1, 2)", "(9999999999999999999, 1, 2)"),
      good.replace("'shape'", "'shapes'"),
      good.replace("'descr': '|u1', ", ""),
      good.replace("}", "'descr': '|u1', }"),
      good.replace("}", "'x': 1}"),
      good.replace("'|u1'", "__import__('os')"),
      "x" + good,
      good + " x",
    };
    for (String header : wrong) {
      Path images = file("i", npy(header, new byte[2]));
      Fixtures.refused(() -> Npz.read(images, labels, Limits.DEFAULT), images.toString());
    }
  }

  @Test
  void aLyingShapeTakesNoMemory() throws IOException {
    Path labels = file("l", npy("|u1", "(1,)", new byte[] {1}));
    Path images = file("i", npy("|u1", "(100000, 500, 500)", new byte[2]));
    long before = Memories.allocated();
    Fixtures.refused(
        () -> Npz.read(images, labels, Limits.DEFAULT), "25000000000 bytes", "2 in the file");
    assertTrue(Memories.allocated() - before < 1 << 20);
  }

  @Test
  void labelsMustFit() throws IOException {
    Path images = file("i", npy("|u1", "(2, 1, 1)", new byte[2]));
    byte[][] wrong = {
      npy("|u1", "(3,)", new byte[3]),
      npy("|i1", "(2,)", new byte[] {0, -1}),
      npy("<f4", "(2,)", floats(0, 1)),
      npy("<i4", "(2,)", new byte[] {0, 0, 0, 0, 0, 0, 1, 0}),
      npy("|u1", "(1, 2)", new byte[2]),
      npy("|u1", "()", new byte[1])
    };
    for (byte[] bytes : wrong) {
      Path labels = file("l", bytes);
      Fixtures.refused(() -> Npz.read(images, labels, Limits.DEFAULT), labels.toString(), "labels");
    }
    Path column = file("l", npy("|u1", "(2, 1)", new byte[] {1, 0}));
    assertArrayEquals(new int[] {1, 0}, Fixtures.labels(Npz.read(images, column, Limits.DEFAULT)));
  }
}
