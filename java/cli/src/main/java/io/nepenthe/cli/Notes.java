package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.List;

/** What else must be known to read a run's figures, a sentence each without its full stop. */
final class Notes {
  private Notes() {}

  /** Adds {@code notes} to the result, and says them. */
  static void to(Run run, List<String> notes) {
    ArrayNode node = run.result().json().putArray("notes");
    notes.forEach(
        note -> {
          node.add(note);
          run.say("note: %s", note);
        });
  }
}
