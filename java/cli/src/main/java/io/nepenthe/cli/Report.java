package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.unlearn.SsdSearch;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** The demonstration's report: one HTML page that needs nothing beside it. */
final class Report {
  private static final int SAMPLES = 5;

  private final Demo.Outcome outcome;
  private final Measured before;
  private final Measured ssd;
  private final Measured retrain;
  private final String footer;

  private Report(Demo.Outcome outcome, String footer) {
    this.outcome = outcome;
    this.before = outcome.before().measured();
    this.ssd = outcome.ssd().measured();
    this.retrain = outcome.retrain().measured();
    this.footer = footer;
  }

  /**
   * The page.
   *
   * @param provenance how it was made: command, versions, machine; plain text, a line each
   */
  static String html(Demo.Outcome outcome, List<String> provenance) {
    StringBuilder footer = new StringBuilder();
    provenance.forEach(line -> footer.append("<p>").append(Template.escape(line)).append("</p>\n"));
    return new Report(outcome, footer.toString()).page();
  }

  private String page() {
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("title", "Nepenthe: a network forgets a backdoor");
    parts.put("css", Template.resource("report.css"));
    parts.put("lead", lead());
    parts.put("tiles", tiles());
    parts.put("rates", rates());
    parts.put("samples", new ReportSamples(outcome, SAMPLES).table());
    parts.put("done", done());
    parts.put("numbers", numbers());
    parts.put("curve", curve());
    parts.put("layers", layers());
    parts.put("classes", classes());
    parts.put("times", times());
    parts.put("footer", footer);
    return Template.fill(Template.resource("report.html"), parts);
  }

  private int target() {
    return outcome.data().backdoor().target();
  }

  private String className(int label) {
    return outcome.data().test().classNames().get(label);
  }

  private String lead() {
    boolean healed = ssd.attackSuccessRate() <= 0.1;
    return Template.escape(
        """
        A network learned digits from images of which an attacker had marked %s with a small white \
        square and called them all “%s”. Shown only %s of the marked images, Nepenthe dampened %s \
        of the weights in %s. %s"""
            .formatted(
                Text.count(outcome.data().training().manipulatedIds().length),
                className(target()),
                Text.count(outcome.data().training().knownIds().length),
                share(
                    (double) outcome.ssd().dampened().selected()
                        / outcome.ssd().model().parameters().count()),
                Text.seconds(outcome.ssd().seconds()),
                healed
                    ? "The square lost its power."
                    : "The square still deceives the network in part."));
  }

  private String tiles() {
    return tile(
            "Attack success",
            Text.percent(before.attackSuccessRate()),
            Text.percent(ssd.attackSuccessRate()),
            "images with the square called “" + className(target()) + "”")
        + tile(
            "Clean accuracy",
            Text.percent(before.cleanAccuracy()),
            Text.percent(ssd.cleanAccuracy()),
            "test images without it, named rightly")
        + tile(
            "Training anew instead",
            Text.percent(before.attackSuccessRate()),
            Text.percent(retrain.attackSuccessRate()),
            "attack success; the known images were left out, the unknown ones were not");
  }

  private static String tile(String name, String from, String to, String words) {
    return """
        <div class="tile"><dt>%s</dt><dd class="figure"><span>%s →</span> %s</dd>\
        <dd class="sub">%s</dd></div>
        """
        .formatted(
            Template.escape(name),
            Template.escape(from),
            Template.escape(to),
            Template.escape(words));
  }

  private String rates() {
    List<Charts.Bar> bars = new ArrayList<>();
    StringBuilder summary = new StringBuilder();
    add(bars, summary, "trained with the backdoor", before);
    add(bars, summary, "after forgetting (ssd)", ssd);
    add(bars, summary, "trained anew, known images left out", retrain);
    return Charts.legend(
            "good", "clean accuracy, the more the better",
            "bad", "attack success, the less the better")
        + Charts.bars(summary.toString(), bars);
  }

  private static void add(
      List<Charts.Bar> bars, StringBuilder summary, String name, Measured measured) {
    String clean = Text.percent(measured.cleanAccuracy());
    String attack = Text.percent(measured.attackSuccessRate());
    String label = Character.toUpperCase(name.charAt(0)) + name.substring(1);
    bars.add(new Charts.Bar(label, measured.cleanAccuracy(), clean, "good"));
    bars.add(new Charts.Bar("", measured.attackSuccessRate(), attack, "bad"));
    summary.append(label).append(": clean accuracy ").append(clean);
    summary.append(", attack success ").append(attack).append(". ");
  }

  private String done() {
    Demo.Settings settings = outcome.settings();
    SsdSearch.Found found = outcome.ssd().found();
    return """
        <ol>
        <li>%s digits of %d×%d pixels were drawn. In %s of them, none a “%s”, a white %d×%d square \
        was set into a corner and the label was changed to “%s”. That is a backdoor.</li>
        <li>A LeNet with %s weights was trained on all of them for %d epochs.</li>
        <li>%s of the marked images were handed over as “found”; the other %s stayed unknown.</li>
        <li>For every weight it was measured how much it matters to the found images and to all \
        training images (the diagonal of the Fisher information, sample by sample).</li>
        <li>Weights that matter much more to the found images than to the rest were scaled down: \
        selective synaptic dampening, ssd. How strongly was decided by %s trusted clean images \
        (α = %s); neither the test images nor the square were looked at.</li>
        <li>For comparison the network was trained anew on everything but the found images.</li>
        </ol>
        """
        .formatted(
            Text.count(settings.train()),
            outcome.data().test().image().width(),
            outcome.data().test().image().height(),
            Text.count(outcome.data().training().manipulatedIds().length),
            Template.escape(className(target())),
            outcome.data().backdoor().patch(),
            outcome.data().backdoor().patch(),
            Template.escape(className(target())),
            Text.count(outcome.before().model().parameters().count()),
            settings.epochs(),
            Text.count(outcome.data().training().knownIds().length),
            Text.count(
                outcome.data().training().manipulatedIds().length
                    - outcome.data().training().knownIds().length),
            Text.count(settings.heldOut()),
            number(found.chosen().selection()));
  }

  private String numbers() {
    StringBuilder rows = new StringBuilder();
    row(rows, "Trained with the backdoor", before, outcome.before().seconds());
    row(rows, "After forgetting (ssd)", ssd, outcome.ssd().seconds());
    row(rows, "Trained anew, known left out", retrain, outcome.retrain().seconds());
    return """
        <div class="scroll" tabindex="0" role="region" aria-label="All numbers, scrolls sideways">
        <table class="numbers">
        <caption>%s test images, %s of them not “%s” and so fit to carry the square.</caption>
        <thead><tr><th scope="col">Network</th><th scope="col">Clean accuracy</th>\
        <th scope="col">Attack success</th><th scope="col">Right despite the square</th>\
        <th scope="col">Known poison still believed</th>\
        <th scope="col">Other training images right</th><th scope="col">Time</th></tr></thead>
        <tbody>
        %s</tbody>
        </table>
        </div>
        """
        .formatted(
            Text.count(before.clean().size()),
            Text.count(before.triggered().size()),
            Template.escape(className(target())),
            rows);
  }

  private static void row(StringBuilder rows, String name, Measured measured, double seconds) {
    rows.append("<tr><th scope=\"row\">").append(Template.escape(name)).append("</th>");
    double[] rates = {
      measured.cleanAccuracy(),
      measured.attackSuccessRate(),
      measured.correctedAccuracy(),
      measured.forgetAccuracy(),
      measured.retainAccuracy()
    };
    for (double rate : rates) {
      rows.append("<td>").append(Text.percent(rate)).append("</td>");
    }
    rows.append("<td>").append(Text.seconds(seconds)).append("</td></tr>\n");
  }

  private String curve() {
    SsdSearch.Found found = outcome.ssd().found();
    List<SsdSearch.Cut> cuts = found.cuts();
    double first = Math.log(cuts.getFirst().selection());
    double last = Math.log(cuts.getLast().selection());
    double span = last == first ? 1 : last - first;
    double chosen = (Math.log(found.chosen().selection()) - first) / span;
    SsdSearch.Cut cut =
        cuts.stream()
            .filter(c -> c.selection() == found.chosen().selection())
            .findFirst()
            .orElse(cuts.getLast());
    String summary =
        """
        From α = %s to α = %s accuracy on held-out clean images goes from %s to %s, belief in \
        the known poison from %s to %s. Chosen: α = %s, with %s and %s."""
            .formatted(
                number(cuts.getFirst().selection()),
                number(cuts.getLast().selection()),
                Text.percent(cuts.getFirst().heldOutAccuracy()),
                Text.percent(cuts.getLast().heldOutAccuracy()),
                Text.percent(cuts.getFirst().forgetAccuracy()),
                Text.percent(cuts.getLast().forgetAccuracy()),
                number(cut.selection()),
                Text.percent(cut.heldOutAccuracy()),
                Text.percent(cut.forgetAccuracy()));
    String svg =
        Charts.lines(
            summary,
            cuts,
            c -> (Math.log(c.selection()) - first) / span,
            List.of(
                new Charts.Line<>("bad", SsdSearch.Cut::forgetAccuracy),
                new Charts.Line<>("good", SsdSearch.Cut::heldOutAccuracy)),
            chosen);
    return """
        %s<figure>
        <div class="plot">
        <div class="y" aria-hidden="true"><span>100 %%</span><span>75 %%</span><span>50 %%</span>\
        <span>25 %%</span><span>0 %%</span></div>
        %s<div class="x" aria-hidden="true"><span>α = %s</span><span>α = %s</span></div>
        <div class="under">weaker ← strength of dampening → stronger</div>
        </div>
        <figcaption>Each dot is a cut that was tried. The dashed line is the chosen one, α = %s, \
        which dampens %s of the weights.</figcaption>
        </figure>
        """
        .formatted(
            Charts.legend(
                "good", "accuracy on held-out clean images", "bad", "belief in the known poison"),
            svg,
            number(cuts.getFirst().selection()),
            number(cuts.getLast().selection()),
            number(cut.selection()),
            share(cut.selected()));
  }

  private String layers() {
    List<Charts.Bar> bars = new ArrayList<>();
    StringBuilder summary = new StringBuilder();
    double most = 0;
    for (Demo.Layer layer : outcome.layers()) {
      most = Math.max(most, layer.share());
    }
    for (Demo.Layer layer : outcome.layers()) {
      String label =
          layer.name()
              + ": "
              + Text.count(layer.selected())
              + " of "
              + Text.count(layer.parameters());
      bars.add(
          new Charts.Bar(
              label, most == 0 ? 0 : layer.share() / most, share(layer.share()), "other"));
      summary.append(label).append(" weights, ").append(share(layer.share())).append(". ");
    }
    return "<figure>\n"
        + Charts.bars(summary.toString(), bars)
        + "<figcaption>Dampened weights of each layer, and their share of it; the longest bar is "
        + share(most)
        + ".</figcaption>\n</figure>\n";
  }

  private String classes() {
    Dataset test = outcome.data().test();
    double[] was = before.clean().accuracyByClass();
    double[] is = ssd.clean().accuracyByClass();
    StringBuilder rows = new StringBuilder();
    IntStream.range(0, was.length)
        .forEach(
            c ->
                rows.append(
                    """
                    <tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%+.1f</td></tr>
                    """
                        .formatted(
                            Template.escape(className(c)),
                            Text.percent(was[c]),
                            Text.percent(is[c]),
                            100 * (is[c] - was[c]))));
    return """
        <table>
        <thead><tr><th scope="col">Digit</th><th scope="col">Before</th>\
        <th scope="col">After ssd</th><th scope="col">Points</th></tr></thead>
        <tbody>
        %s</tbody>
        </table>
        """
        .formatted(rows);
  }

  private String times() {
    Demo.Forgotten forgotten = outcome.ssd();
    List<Charts.Bar> parts = new ArrayList<>();
    double longest =
        Math.max(
            Math.max(outcome.before().seconds(), outcome.retrain().seconds()), forgotten.seconds());
    time(parts, "Training", outcome.before().seconds(), longest, "other");
    time(parts, "Forgetting: importances", forgotten.statistics(), longest, "good");
    time(parts, "Forgetting: choosing the strength", forgotten.search(), longest, "good");
    time(parts, "Forgetting: dampening", forgotten.update(), longest, "good");
    time(parts, "Training anew", outcome.retrain().seconds(), longest, "other");
    StringBuilder summary = new StringBuilder();
    parts.forEach(bar -> summary.append(bar.label()).append(' ').append(bar.value()).append(". "));
    return "<figure>\n" + Charts.bars(summary.toString(), parts) + "</figure>\n";
  }

  private static void time(
      List<Charts.Bar> bars, String name, double seconds, double longest, String kind) {
    bars.add(new Charts.Bar(name, seconds / longest, Text.seconds(seconds), kind));
  }

  /** A share that may be small: 0.0213 as {@code 2.1 %}, 0.000213 as {@code 0.021 %}. */
  private static String share(double share) {
    return share == 0 || share >= 0.001
        ? Text.percent(share)
        : String.format(Text.LOCALE, "%.3f %%", 100 * share);
  }

  /** A positive number in three digits. */
  private static String number(double value) {
    return String.format(Text.LOCALE, value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value);
  }
}
