package io.nepenthe.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The report of models beside each other: one HTML page that needs nothing beside it.
 *
 * @param title of the page
 * @param lead what was done, in a sentence or two
 * @param models the one before first, if it is there; each with {@code name}, {@code title}, {@code
 *     metrics}, {@code seconds}, {@code classes}, {@code confusion} and {@code detail}, a {@link
 *     Portrait}; one without is in the table alone
 * @param seeds how many the numbers are means of
 * @param task what they were measured on
 * @param provenance how it was made, a line each
 * @param extras what one report has and others do not
 */
record ComparisonPage(
    String title,
    String lead,
    List<JsonNode> models,
    int seeds,
    Task task,
    List<String> provenance,
    Extras extras) {
  private static final String PREFERRED = "ssd";

  /**
   * Parts of one report alone.
   *
   * @param opening HTML before the charts
   * @param middle HTML after the table
   * @param data for the charts in them, by name
   */
  record Extras(String opening, String middle, ObjectNode data) {
    /** Sentences below the table. */
    static Extras notes(List<String> sentences) {
      String html =
          sentences.stream()
              .map(text -> "<p class=\"note\">%s.</p>\n".formatted(Template.escape(text)))
              .collect(Collectors.joining());
      return new Extras("", html, JsonNodeFactory.instance.objectNode());
    }
  }

  String html() {
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("title", Template.escape(title));
    parts.put("lead", Template.escape(lead));
    parts.put("css", Template.resource("report.css"));
    parts.put("table", MetricTable.of(models, seeds));
    parts.put("opening", extras.opening);
    parts.put("middle", extras.middle);
    parts.put("choices", choices());
    parts.put("closer", seeds == 1 ? "" : "Below: the model of the first seed.");
    parts.put("pictures", pictures());
    StringBuilder footer = new StringBuilder();
    provenance.forEach(line -> footer.append("<p>").append(Template.escape(line)).append("</p>\n"));
    parts.put("footer", footer.toString());
    // In JSON < may be written so; then nothing can end the script element.
    parts.put("data", data().replace("<", "\\u003c"));
    parts.put("library", ChartLibrary.script());
    parts.put("script", ChartLibrary.inline(Template.resource("compare.js")));
    return Template.fill(Template.resource("compare.html"), parts);
  }

  private Stream<JsonNode> drawn() {
    return models.stream().filter(model -> model.has("detail"));
  }

  private boolean hasBefore() {
    return drawn().anyMatch(ComparisonPage::isBefore);
  }

  private static boolean isBefore(JsonNode model) {
    return model.get("name").asText().equals("before");
  }

  private String choices() {
    List<JsonNode> methods = drawn().filter(model -> !isBefore(model)).toList();
    String first =
        methods.stream()
            .map(model -> model.get("name").asText())
            .filter(PREFERRED::equals)
            .findFirst()
            .orElseGet(
                () ->
                    methods.stream()
                        .map(model -> model.get("name").asText())
                        .filter(name -> !name.equals(Chosen.STANDARD))
                        .findFirst()
                        .orElse(methods.getFirst().get("name").asText()));
    StringBuilder html = new StringBuilder();
    for (JsonNode method : methods) {
      String name = method.get("name").asText();
      html.append("<option value=\"").append(Template.escape(name)).append('"');
      html.append(name.equals(first) ? " selected>" : ">");
      html.append(Template.escape(method.get("title").asText())).append("</option>\n");
    }
    return html.toString();
  }

  private String pictures() {
    Dataset forget = task.forget().orElseThrow();
    StringBuilder html = new StringBuilder("<ul class=\"gallery\">\n");
    for (long index : Portrait.spread(forget.size(), Portrait.IMAGES)) {
      String label = Template.escape(forget.classNames().get(forget.label(index)));
      html.append(
          """
          <li><img width="64" height="64" alt="Training image %d, labelled %s" src="%s">\
          labelled %s<br>%safter: <span data-answer="after"></span></li>
          """
              .formatted(
                  forget.id(index),
                  label,
                  Png.dataUri(forget, index),
                  label,
                  hasBefore() ? "before: <span data-answer=\"before\"></span><br>" : ""));
    }
    return html
        + "</ul>\n<p class=\"note\">%s of %s, under the labels that they were trained with.</p>\n"
            .formatted(Math.min(Portrait.IMAGES, forget.size()), Text.count(forget.size()));
  }

  private String data() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    ArrayNode names = node.putArray("classes");
    Dataset test = task.test().orElseThrow();
    List<String> known = task.classNames();
    int shown =
        Math.max(
            known.size(), drawn().mapToInt(model -> model.get("confusion").size()).max().orElse(0));
    IntStream.range(0, shown).forEach(c -> names.add(Text.className(known, c)));
    node.put(
        "attack", drawn().anyMatch(model -> model.at("/metrics/attackSuccessRate").isNumber()));
    boolean own = task.forgottenClasses().length > 0 && task.strangers().size() > 0;
    node.put("strangers", own ? "test, of the forgotten classes" : "test");
    ObjectNode points = node.putObject("points");
    List<Dataset> parts = List.of(task.retain().orElseThrow(), task.forget().orElseThrow(), test);
    for (int i = 0; i < parts.size(); i++) {
      points.put(Portrait.PARTS.get(i), Math.min(Portrait.POINTS, parts.get(i).size()));
    }
    ArrayNode labels = node.putArray("labels");
    Dataset forget = task.forget().orElseThrow();
    for (long index : Portrait.spread(forget.size(), Portrait.IMAGES)) {
      labels.add(forget.label(index));
    }
    ArrayNode drawn = node.putArray("models");
    drawn().forEach(drawn::add);
    node.setAll(extras.data);
    try {
      return new ObjectMapper().writeValueAsString(node);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
