package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A sample of damage to every kind of file that a command reads: it works or ends with 1 and one
 * line that names the data, and an output only where it worked. The readers' own tests do hundreds.
 */
class HostileFilesTest {
  private static final int MUTATIONS = 15;

  @TempDir static Path folder;

  @BeforeAll
  static void makeFiles() throws IOException {
    run("data glyphs --train 20 --test 20 --out F/idx");
    run("data glyphs --train 20 --test 20 --format npz --out F/npz");
    run("train --arch mlp --width 4 --data glyphs:train/20 --epochs 1 --out F/model.onnx");
    run("factors --model F/model.onnx --data glyphs:train/20 --layers fc2.weight --out F/factors");
    Files.writeString(folder.resolve("ids.txt"), "1\n2\n17\n");
    Files.writeString(folder.resolve("x.csv"), ("1" + ",0.5".repeat(784) + "\n").repeat(10));
    Files.createDirectories(folder.resolve("cifar10"));
    for (int batch = 1; batch <= 5; batch++) {
      Files.write(folder.resolve("cifar10/data_batch_" + batch + ".bin"), new byte[2 * 3073]);
    }
    BufferedImage image = new BufferedImage(28, 28, BufferedImage.TYPE_BYTE_GRAY);
    try (ZipOutputStream zip =
        new ZipOutputStream(Files.newOutputStream(folder.resolve("x.zip")))) {
      for (String name : new String[] {"a/1.png", "b/2.png", "b/3.png"}) {
        image.getRaster().setSample(3, name.length(), 0, name.hashCode() & 0xff);
        zip.putNextEntry(new ZipEntry(name));
        ImageIO.write(image, "png", zip);
        zip.closeEntry();
      }
    }
  }

  private static Nepenthe.Outcome run(String line) {
    return Nepenthe.here(line.replace("F/", folder + "/").split(" "));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "idx/train-images-idx3-ubyte | fisher --model F/model.onnx --data idx:F/VICTIM",
        "idx/train-labels-idx1-ubyte "
            + "| fisher --model F/model.onnx --data idx:F/idx/train-images-idx3-ubyte",
        "npz/train.npz | fisher --model F/model.onnx --data npz:F/VICTIM",
        "x.csv | fisher --model F/model.onnx --data csv:F/VICTIM",
        "x.zip | fisher --model F/model.onnx --data images:F/VICTIM",
        "cifar10/data_batch_2.bin | train --arch mlp --width 2 --epochs 1 --data cifar10:F/cifar10",
        "model.onnx | fisher --model F/VICTIM --data glyphs:train/20",
        "factors/eigen.safetensors | influence --model F/model.onnx --data glyphs:train/20 "
            + "--queries glyphs:test#0-1 --factors F/factors",
        "factors/lambda.safetensors | influence --model F/model.onnx --data glyphs:train/20 "
            + "--queries glyphs:test#0-1 --factors F/factors",
        "factors/lambda.safetensors | inspect F/VICTIM --json F/out",
        "ids.txt | fisher --model F/model.onnx --data glyphs:train/20#@F/VICTIM",
        "ids.txt | train --arch mlp --width 2 --epochs 1 --data glyphs:train/20 --without F/VICTIM",
        "ids.txt | unlearn --method ssd --model F/model.onnx --data glyphs:train/20 "
            + "--forget F/VICTIM --selection 4"
      })
  void isRefusedInOneLineThatNamesIt(String victim, String line) throws IOException {
    Path file = folder.resolve(victim);
    Path written = folder.resolve("out");
    byte[] intact = Files.readAllBytes(file);
    String out = line.contains("F/out") ? "" : " --out F/out";
    String command = line.replace("VICTIM", victim) + " --quiet" + out;
    assertEquals(new Nepenthe.Outcome(0, "", ""), run(command), "undamaged");
    assertTrue(Files.deleteIfExists(written));
    Random random = new Random(victim.hashCode());
    int refused = 0;
    try {
      for (int n = 0; n < MUTATIONS; n++) {
        Files.write(file, mutate(intact, random, n));
        Nepenthe.Outcome outcome = run(command);
        if (outcome.status() != 0) {
          refused++;
          String which = victim + ", mutation " + n + ": " + outcome.err();
          assertEquals(1, outcome.status(), which);
          assertEquals(1, outcome.errors().size(), which);
          assertTrue(outcome.err().contains(file.getParent().toString()), which);
          assertFalse(outcome.err().contains("should not have happened"), which);
        }
        assertEquals(outcome.status() == 0, Files.deleteIfExists(written), "mutation " + n);
      }
    } finally {
      Files.write(file, intact);
    }
    assertTrue(refused >= MUTATIONS / 3, refused + " refused");
  }

  /** Cut short, emptied, prolonged, filled with noise, or its beginning changed. */
  private static byte[] mutate(byte[] intact, Random random, int n) {
    byte[] damaged = intact.clone();
    switch (n % 5) {
      case 0 -> damaged = Arrays.copyOf(intact, n == 0 ? 0 : random.nextInt(intact.length));
      case 1 -> damaged = Arrays.copyOf(intact, intact.length + 1 + random.nextInt(1000));
      case 2 -> random.nextBytes(damaged);
      case 3 -> damaged[random.nextInt(Math.min(16, damaged.length))] ^= (byte) 0xff;
      default -> {
        for (int i = 0; i < 1 + intact.length / 50; i++) {
          damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
        }
      }
    }
    return damaged;
  }

  @Test
  void anArchiveMayNotLeaveItsFolder() throws IOException {
    Path archive = folder.resolve("escape.zip");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(archive))) {
      zip.putNextEntry(new ZipEntry("../../outside/1.png"));
      zip.write("x".getBytes(StandardCharsets.US_ASCII));
      zip.closeEntry();
    }
    Nepenthe.Outcome outcome =
        run("train --arch mlp --data images:F/escape.zip --quiet --out F/out");
    assertEquals(1, outcome.status());
    assertTrue(outcome.err().contains("escape.zip"), outcome.err());
    assertFalse(Files.exists(folder.resolve("out")));
  }
}
