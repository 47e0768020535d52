package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a command writes takes nobody's data away. */
class OutputsTest {
  @TempDir Path folder;

  @BeforeEach
  void writesDataAndAModel() throws IOException {
    ok("data poison --data glyphs:train/40 --kind badnets --target 0 --out DIR");
    ok("train --arch mlp --width 4 --epochs 1 --data npz:DIR/data.npz --out DIR/model.onnx");
    Files.createSymbolicLink(folder.resolve("link.npz"), folder.resolve("data.npz"));
  }

  private Nepenthe.Outcome run(String line) {
    return Nepenthe.here(line.replace("DIR", folder.toString()).split(" "));
  }

  private void ok(String line) {
    Nepenthe.Outcome outcome = run(line);
    assertEquals(0, outcome.status(), outcome.err());
  }

  private Map<String, String> files() throws IOException {
    Map<String, String> sums = new TreeMap<>();
    try (Stream<Path> all = Files.list(folder)) {
      List<Path> found = all.toList();
      found.forEach(file -> sums.put(file.getFileName().toString(), Checksum.of(file)));
    }
    return sums;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "train --arch mlp --epochs 1 --data npz:DIR/data.npz --out DIR/data.npz",
        "train --arch mlp --epochs 1 --data npz:DIR/link.npz --out DIR/data.npz",
        "train --arch mlp --epochs 1 --data npz:DIR/data.npz --out DIR/link.npz",
        "train --arch mlp --epochs 1 --data npz:DIR/data.npz --out DIR/x --json DIR/./x",
        "train --arch mlp --data npz:DIR/data.npz --without DIR/known.txt --out DIR/known.txt",
        "train --arch mlp --data glyphs:train/9 --test npz:DIR/data.npz --out DIR/data.npz",
        "data poison --data npz:DIR/data.npz --kind badnets --target 1 --out DIR",
        "data poison --data glyphs:train/9#@DIR/known.txt --kind badnets --target 1 --out DIR",
        "fisher --model DIR/model.onnx --data npz:DIR/data.npz --out DIR/model.onnx",
        "evaluate --model DIR/model.onnx --data npz:DIR/data.npz --json DIR/model.onnx"
      })
  void whatIsReadIsNotWrittenOver(String line) throws IOException {
    Files.writeString(folder.resolve("known.txt"), "3\n");
    Map<String, String> before = files();
    Nepenthe.Outcome outcome = run(line);
    assertEquals(1, outcome.status(), outcome.out());
    assertTrue(outcome.err().contains(": expected a"), outcome.err());
    assertEquals(before, files());
  }

  @Test
  void aModelMayTakeItsOwnPlace() throws IOException {
    byte[] before = Files.readAllBytes(folder.resolve("model.onnx"));
    ok("train --model DIR/model.onnx --epochs 1 --data npz:DIR/data.npz --out DIR/model.onnx");
    byte[] after = Files.readAllBytes(folder.resolve("model.onnx"));
    assertFalse(Arrays.equals(before, after));
  }
}
