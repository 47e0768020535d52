package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a comparison finds of an earlier run. */
class CellsTest {
  private static final Cells.Key KEY = new Cells.Key(3, "ssd", "{weakest=4096.0}");

  @TempDir Path folder;
  private Cells cells;
  private ObjectNode node;
  private Path record;

  @BeforeEach
  void keep() throws IOException {
    cells = new Cells(folder, "task");
    node = JsonNodeFactory.instance.objectNode().put("name", "ssd").put("third", 1 / 3f);
    node.put("large", 9.5e10f).put("none", Double.NaN).put("count", 7L).putObject("seconds");
    Path model = cells.model(KEY);
    record = model.resolveSibling("ssd.json");
    cells.note(KEY, node);
    Files.createFile(model);
  }

  @Test
  void aRecordCountsForTheSameTaskSeedMethodAndSettings() {
    assertEquals(node.toString(), cells.find(KEY).orElseThrow().toString());
    assertEquals(Optional.empty(), new Cells(folder, "other").find(KEY));
    assertEquals(Optional.empty(), cells.find(new Cells.Key(3, "ssd", "{}")));
    assertEquals(Optional.empty(), cells.failure(KEY));
    cells.fail(KEY, "no memory");
    assertEquals(Optional.empty(), cells.find(KEY));
    assertEquals(Optional.of("no memory"), cells.failure(KEY));
    cells.note(KEY, node.put("more", true));
    assertTrue(cells.find(KEY).orElseThrow().get("more").asBoolean());
  }

  /** Figures that were not measured must not come into a table, nor missing ones end a run. */
  @Test
  void aDamagedRecordDoesNotCount() throws IOException {
    byte[] intact = Files.readAllBytes(record);
    Random random = new Random(5);
    for (int n = 0; n < 500; n++) {
      byte[] damaged = intact.clone();
      damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(7));
      Files.write(record, damaged);
      try {
        // Of some numbers a letter may change its case.
        String found = cells.find(KEY).orElse(node).toString();
        assertEquals(node.toString(), found, "mutation " + n);
      } catch (CommandException e) {
        assertTrue(e.getMessage().startsWith(record + ": expected the record of"), e.getMessage());
      }
    }
    Files.write(record, new byte[0]);
    assertEquals(Optional.empty(), cells.find(KEY));
    Files.write(record, new byte[100]);
    assertThrows(CommandException.class, () -> cells.find(KEY));
  }
}
