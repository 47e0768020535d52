package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.unlearn.SsdSearch;

/** What the demonstration's report tells beside what every report shows. */
final class DemoStory {
  private static final int SAMPLES = 5;

  private final Demo.Outcome outcome;

  DemoStory(Demo.Outcome outcome) {
    this.outcome = outcome;
  }

  /** Everything but the lead. */
  ComparisonPage.Extras extras() {
    String opening =
        """
        <dl class="tiles" aria-label="In short">
        %s</dl>
        <div class="two">
        <section aria-labelledby="images-title">
        <h2 id="images-title">What the networks say</h2>
        %s</section>
        <section aria-labelledby="done-title">
        <h2 id="done-title">What was done</h2>
        %s</section>
        </div>
        """
            .formatted(tiles(), new ReportSamples(outcome, SAMPLES).table(), done());
    String middle =
        """
        <div class="two">
        <section aria-labelledby="search-title">
        <h2 id="search-title">How strongly to dampen</h2>
        <div class="chart" id="search"></div>
        <p class="note">Every α that was tried, from the weakest on; the large marks are the chosen \
        one, which dampens %s of the weights.</p>
        </section>
        <section aria-labelledby="dampened-title">
        <h2 id="dampened-title">Where it was dampened</h2>
        <div class="chart" id="dampened"></div>
        <p class="note">The share of each parameter’s weights that was scaled down.</p>
        </section>
        </div>
        """
            .formatted(dampened());
    return new ComparisonPage.Extras(opening, middle, data());
  }

  private ObjectNode data() {
    ObjectNode data = JsonNodeFactory.instance.objectNode();
    SsdSearch.Found found = outcome.ssd().found();
    ArrayNode cuts = data.putArray("search");
    for (SsdSearch.Cut cut : found.cuts()) {
      cuts.addObject()
          .put("selection", cut.selection())
          .put("heldOut", cut.heldOutAccuracy())
          .put("forget", cut.forgetAccuracy())
          .put("chosen", cut.selection() == found.chosen().selection());
    }
    ArrayNode layers = data.putArray("dampened");
    for (Demo.Layer layer : outcome.layers()) {
      layers
          .addObject()
          .put("name", layer.name())
          .put("selected", layer.selected())
          .put("parameters", layer.parameters());
    }
    return data;
  }

  private int target() {
    return outcome.data().backdoor().target();
  }

  private String className(int label) {
    return outcome.data().test().classNames().get(label);
  }

  private String dampened() {
    return share(
        (double) outcome.ssd().dampened().selected()
            / outcome.before().file().model().parameters().count());
  }

  /** What happened, in a few sentences. */
  String lead() {
    Portrayed ssd = outcome.ssd().model();
    return """
        A network learned digits from images of which an attacker had marked %s with a small white \
        square and called them all “%s”. Shown only %s of the marked images, Nepenthe dampened %s \
        of the weights in %s. %s"""
        .formatted(
            Text.count(outcome.data().training().manipulatedIds().length),
            className(target()),
            Text.count(outcome.data().training().knownIds().length),
            dampened(),
            Text.seconds(ssd.seconds().get("total").asDouble()),
            ssd.rate("attackSuccessRate") <= 0.1
                ? "The square lost its power."
                : "The square still deceives the network in part.");
  }

  private String tiles() {
    return tile(
            "Attack success",
            Text.percent(outcome.before().rate("attackSuccessRate")),
            Text.percent(outcome.ssd().model().rate("attackSuccessRate")),
            "images with the square called “" + className(target()) + "”")
        + tile(
            "Clean accuracy",
            Text.percent(outcome.before().rate("cleanAccuracy")),
            Text.percent(outcome.ssd().model().rate("cleanAccuracy")),
            "test images without it, named rightly")
        + tile(
            "Training anew instead",
            Text.percent(outcome.before().rate("attackSuccessRate")),
            Text.percent(outcome.retrain().rate("attackSuccessRate")),
            "attack success; the known images were left out, the unknown ones were not");
  }

  private static String tile(String name, String from, String to, String words) {
    return """
        <div class="tile"><dt>%s</dt><dd class="figure"><span>%s →</span> <b>%s</b></dd>\
        <dd class="sub">%s</dd></div>
        """
        .formatted(
            Template.escape(name),
            Template.escape(from),
            Template.escape(to),
            Template.escape(words));
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
            Text.count(outcome.before().file().model().parameters().count()),
            settings.epochs(),
            Text.count(outcome.data().training().knownIds().length),
            Text.count(
                outcome.data().training().manipulatedIds().length
                    - outcome.data().training().knownIds().length),
            Text.count(settings.heldOut()),
            Text.figure(found.chosen().selection()));
  }

  /** A share that may be small: 0.0213 as {@code 2.1 %}, 0.000213 as {@code 0.021 %}. */
  private static String share(double share) {
    return share == 0 || share >= 0.001
        ? Text.percent(share)
        : String.format(Text.LOCALE, "%.3f %%", 100 * share);
  }
}
