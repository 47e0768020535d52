package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.detect.Detection;
import java.util.LinkedHashMap;
import java.util.Map;

/** The page of the most suspect images: one HTML file that needs nothing beside it. */
final class DetectReport {
  private static final int IMAGES = 60;

  private DetectReport() {}

  /**
   * The page.
   *
   * @param method the detector's name
   */
  static String html(Detection found, Dataset training, String method) {
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("title", "Nepenthe: suspect training examples");
    parts.put("css", Template.resource("report.css"));
    parts.put(
        "lead",
        Template.escape(
            "%s flags %s of %s examples of %s."
                .formatted(
                    method,
                    Text.count(found.count()),
                    Text.count(training.size()),
                    training.name())));
    parts.put("images", images(found, training));
    return Template.fill(Template.resource("detect.html"), parts);
  }

  private static String images(Detection found, Dataset training) {
    StringBuilder cells = new StringBuilder();
    int[] order = found.order();
    for (int i = 0; i < Math.min(IMAGES, order.length); i++) {
      int at = order[i];
      String label = training.classNames().get(training.label(at));
      String caption = "id %d, “%s”".formatted(training.id(at), label);
      cells.append("<figure><img width=\"84\" height=\"84\" alt=\"");
      cells.append(Template.escape("training image, " + caption));
      cells.append("\" src=\"").append(Png.dataUri(training, at)).append("\"><figcaption>");
      cells.append(Template.escape(caption)).append("<br>");
      cells.append(String.format(Text.LOCALE, "%.4g", found.scores()[at]));
      cells.append(found.flagged()[at] ? ", flagged" : "").append("</figcaption></figure>\n");
    }
    return cells.toString();
  }
}
