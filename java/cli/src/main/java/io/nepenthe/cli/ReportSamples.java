package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import io.nepenthe.evaluate.Predictions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A few test images without and with the trigger, and what each network says to them. */
final class ReportSamples {
  private final Demo.Outcome outcome;
  private final Dataset test;
  private final Dataset triggered;
  private final List<Integer> chosen = new ArrayList<>();
  private final Map<Long, Integer> places = new HashMap<>();

  /** The first image of each class but the target that the attack deceived, at most so many. */
  ReportSamples(Demo.Outcome outcome, int most) {
    this.outcome = outcome;
    this.test = outcome.data().test();
    this.triggered = outcome.data().backdoor().triggered(test);
    for (int n = 0; n < test.size(); n++) {
      places.put(test.id(n), n);
    }
    Predictions answers = outcome.before().observed().triggered().orElseThrow();
    boolean[] seen = new boolean[test.classes()];
    for (int n = 0; n < triggered.size() && chosen.size() < most; n++) {
      int label = triggered.label(n);
      if (!seen[label] && answers.answer(n) == outcome.data().backdoor().target()) {
        seen[label] = true;
        chosen.add(n);
      }
    }
  }

  String table() {
    StringBuilder rows = new StringBuilder();
    images(rows, "Clean", false);
    answers(rows, "before", outcome.before().observed(), false);
    answers(rows, "after ssd", outcome.ssd().model().observed(), false);
    images(rows, "With the square", true);
    answers(rows, "before", outcome.before().observed(), true);
    answers(rows, "after ssd", outcome.ssd().model().observed(), true);
    answers(rows, "trained anew", outcome.retrain().observed(), true);
    return """
        <div class="scroll" tabindex="0" role="region" aria-label="Sample images, scrolls sideways">
        <table class="samples">
        <tbody>
        %s</tbody>
        </table>
        </div>
        <p class="note">Test images and the networks’ answers; wrong ones are marked ✗.</p>
        """
        .formatted(rows);
  }

  private void images(StringBuilder rows, String name, boolean square) {
    rows.append("<tr class=\"start\"><th scope=\"row\">").append(name).append("</th>");
    for (int n : chosen) {
      Dataset images = square ? triggered : test;
      long place = square ? n : places.get(triggered.id(n));
      String alt =
          "digit " + test.classNames().get(triggered.label(n)) + (square ? " with the square" : "");
      rows.append("<td><img width=\"56\" height=\"56\" alt=\"").append(Template.escape(alt));
      rows.append("\" src=\"").append(Png.dataUri(images, place)).append("\"></td>");
    }
    rows.append("</tr>\n");
  }

  private void answers(StringBuilder rows, String name, Observed observed, boolean square) {
    rows.append("<tr><th scope=\"row\">").append(name).append("</th>");
    for (int n : chosen) {
      int answer =
          square
              ? observed.triggered().orElseThrow().answer(n)
              : observed.test().orElseThrow().answer(places.get(triggered.id(n)));
      boolean right = answer == triggered.label(n);
      rows.append("<td class=\"").append(right ? "right" : "wrong").append("\">");
      rows.append(Template.escape(test.classNames().get(answer)));
      rows.append(right ? "" : " <span aria-label=\"wrong\">✗</span>").append("</td>");
    }
    rows.append("</tr>\n");
  }
}
