package io.nepenthe.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Apache ECharts, as its archive has it, to be put into a page. */
final class ChartLibrary {
  private ChartLibrary() {}

  /** The script: lines, bars, scatter plots, axes, legends, tooltips. */
  static String script() {
    String name =
        "/META-INF/resources/webjars/echarts/" + Version.of("echarts") + "/echarts.common.min.js";
    try (InputStream in = ChartLibrary.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException(name + " is not on the class path");
      }
      return inline(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Text that may stand in a script element: nothing in it ends the element early. */
  static String inline(String text) {
    return text.replace("</", "<\\/").replace("<!--", "<\\!--");
  }
}
