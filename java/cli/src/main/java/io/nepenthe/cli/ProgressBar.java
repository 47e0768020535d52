package io.nepenthe.cli;

import java.io.PrintWriter;
import java.util.function.LongSupplier;

/**
 * How far a phase of the work is, with rate and time left: a line redrawn in place on a terminal, a
 * line every few seconds elsewhere. Used by one thread.
 */
final class ProgressBar {
  /** Tells the process the width of the terminal behind standard error; the launcher sets it. */
  static final String TERMINAL_PROPERTY = "nepenthe.terminal";

  private static final long REDRAW_NANOS = 100_000_000L;
  private static final long LINE_NANOS = 5_000_000_000L;
  private static final int BAR = 24;

  private final PrintWriter out;
  private final Style style;
  private final LongSupplier clock;
  private String what;
  private String unit;
  private String note;
  private long total;
  private long done;
  private long began;
  private long shown;

  /**
   * How progress is shown.
   *
   * @param kind where to
   * @param width the terminal's columns
   */
  record Style(Kind kind, int width) {
    static final Style SILENT = new Style(Kind.SILENT, 0);
    static final Style LINES = new Style(Kind.LINES, 0);

    enum Kind {
      TERMINAL,
      LINES,
      SILENT
    }

    static Style ofThisProcess() {
      try {
        int columns = Integer.parseInt(System.getProperty(TERMINAL_PROPERTY, ""));
        return columns > 0 ? new Style(Kind.TERMINAL, columns) : LINES;
      } catch (NumberFormatException e) {
        boolean terminal = System.console() != null && System.console().isTerminal();
        return terminal ? new Style(Kind.TERMINAL, 80) : LINES;
      }
    }
  }

  ProgressBar(PrintWriter out, Style style, LongSupplier clock) {
    this.out = out;
    this.style = style;
    this.clock = clock;
  }

  /**
   * Begins a phase; a phase still open is finished first.
   *
   * @param phase what is being done
   * @param amount how many units there are to do; 0 if that is not known
   * @param units what is counted
   */
  void start(String phase, long amount, String units) {
    finish();
    what = phase;
    total = amount;
    unit = units;
    note = "";
    done = 0;
    began = clock.getAsLong();
    shown = began;
    if (style.kind() == Style.Kind.TERMINAL) {
      draw(began);
    }
  }

  /** So many units more are done. */
  void advance(long units) {
    to(done + units);
  }

  /** So many units are done by now. */
  void to(long units) {
    done = units;
    long now = clock.getAsLong();
    if (style.kind() == Style.Kind.TERMINAL && now - shown >= REDRAW_NANOS) {
      draw(now);
    } else if (style.kind() == Style.Kind.LINES && now - shown >= LINE_NANOS) {
      shown = now;
      out.println(line(now));
    }
  }

  /** Adds a few words, for instance the loss. */
  void note(String words) {
    note = words;
  }

  /** Ends the phase, and leaves one line that says what it took. */
  void finish() {
    if (what == null) {
      return;
    }
    double seconds = (clock.getAsLong() - began) / 1e9;
    StringBuilder line = new StringBuilder(what);
    if (done > 0) {
      line.append(": ").append(Text.count(done)).append(' ').append(unit);
    }
    line.append(done > 0 ? ", " : ": ").append(Text.seconds(seconds));
    if (done > 0 && seconds > 0) {
      line.append(", ").append(Text.rate(done / seconds, unit));
    }
    line.append(note.isEmpty() ? "" : ", " + note);
    what = null;
    switch (style.kind()) {
      case TERMINAL -> out.println("\r" + clip(line.toString()) + "\033[K");
      case LINES -> out.println(line);
      case SILENT -> {}
    }
    out.flush();
  }

  private void draw(long now) {
    shown = now;
    out.print("\r" + clip(line(now)) + "\033[K");
    out.flush();
  }

  private String line(long now) {
    double seconds = (now - began) / 1e9;
    StringBuilder line = new StringBuilder(what).append("  ");
    if (total > 0) {
      double share = Math.min(1, (double) done / total);
      if (style.kind() == Style.Kind.TERMINAL) {
        int full = (int) (BAR * share);
        line.append("━".repeat(full)).append("·".repeat(BAR - full)).append(' ');
      }
      line.append(String.format(Text.LOCALE, "%3d %%", (int) (100 * share)));
    } else {
      line.append(Text.count(done)).append(' ').append(unit);
    }
    if (done > 0 && seconds > 0) {
      line.append("  ").append(Text.rate(done / seconds, unit));
      if (total > done) {
        line.append("  ").append(Text.seconds(seconds / done * (total - done))).append(" left");
      }
    }
    return line.append(note.isEmpty() ? "" : "  " + note).toString();
  }

  /** A line that wraps could not be redrawn in place. */
  private String clip(String line) {
    return line.length() < style.width() ? line : line.substring(0, Math.max(0, style.width() - 1));
  }
}
