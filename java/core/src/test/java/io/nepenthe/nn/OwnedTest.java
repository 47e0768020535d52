package io.nepenthe.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OwnedTest {
  private final List<String> closed = new ArrayList<>();
  private final Owned owned = new Owned();

  private void take(String name) {
    assertSame(name, owned.take(() -> name, closed::add));
  }

  private static String fail(RuntimeException cause) {
    throw cause;
  }

  @Test
  void theLastIsClosedFirstAndAllOnce() {
    take("a");
    take("b");
    owned.close();
    owned.close();
    assertEquals(List.of("b", "a"), closed);
  }

  @Test
  void whatFailsGivesBackWhatWasTaken() {
    RuntimeException cause = new IllegalStateException("full");
    take("a");
    assertSame(
        cause,
        assertThrows(
            IllegalStateException.class, () -> owned.take(() -> fail(cause), closed::add)));
    assertEquals(List.of("a"), closed);
    take("b");
    assertThrows(IllegalStateException.class, () -> owned.make(() -> fail(cause)));
    assertEquals(List.of("a", "b"), closed);
  }

  @Test
  void aCloseThatFailsKeepsNoOtherFromIt() {
    take("a");
    owned.take(() -> "b", b -> fail(new IllegalStateException(b)));
    take("c");
    owned.take(() -> "d", d -> fail(new IllegalArgumentException(d)));
    Throwable first = assertThrows(IllegalArgumentException.class, owned::close);
    assertEquals(List.of("c", "a"), closed);
    assertEquals("b", first.getSuppressed()[0].getMessage());
  }
}
