package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressBarTest {
  private final StringWriter text = new StringWriter();
  private final AtomicLong nanos = new AtomicLong();

  private ProgressBar bar(ProgressBar.Style style) {
    return new ProgressBar(new PrintWriter(text), style, nanos::get);
  }

  private void train(ProgressBar bar) {
    bar.start("train", 10_000, "images");
    for (int i = 0; i < 100; i++) {
      nanos.addAndGet(120_000_000L);
      bar.note("loss 0.5");
      bar.advance(100);
    }
    bar.finish();
  }

  @Test
  void aTerminalLineIsRedrawnInPlaceAndFits() {
    train(bar(new ProgressBar.Style(ProgressBar.Style.Kind.TERMINAL, 70)));
    String[] drawn = text.toString().split("\r");
    assertTrue(drawn.length > 50, "drawn " + drawn.length + " times");
    for (String line : drawn) {
      assertTrue(line.replace("\033[K", "").strip().length() < 70, line);
    }
    assertTrue(drawn[50].contains("%  833 images/s  6.1 s left"), drawn[50]);
    assertEquals(1, text.toString().chars().filter(c -> c == '\n').count());
  }

  @Test
  void elsewhereAFewPlainLines() {
    train(bar(ProgressBar.Style.LINES));
    String[] lines = text.toString().split("\n");
    assertEquals(3, lines.length, Arrays.toString(lines));
    assertEquals("train   42 %  833 images/s  7.0 s left  loss 0.5", lines[0]);
    assertEquals("train: 10,000 images, 12 s, 833 images/s, loss 0.5", lines[2]);
  }

  @Test
  void quietSaysNothing() {
    train(bar(ProgressBar.Style.SILENT));
    assertEquals("", text.toString());
  }
}
