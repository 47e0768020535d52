package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The report of a comparison, in a real browser. */
class ComparisonPageTest {
  @TempDir static Path folder;

  private static Path page;

  @BeforeAll
  static void compare() {
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            ("compare --arch mlp --width 16 --epochs 2 --data glyphs:train/400"
                    + " --test glyphs:test/200 --forget-class 3 --target 0 --seeds 2 --quiet"
                    + " --methods fine-tune,ssd-published --out "
                    + folder)
                .split(" "));
    assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
    page = folder.resolve("report.html");
  }

  @Test
  void fetchesNothing() throws Exception {
    String text = Files.readString(page);
    for (String loading : new String[] {"src=\"http", "href=\"http", "@import", "url(http"}) {
      assertFalse(text.contains(loading), loading);
    }
    assertFalse(text.contains("{{"), "a place was not filled");
    assertTrue(Files.size(page) < 2_000_000, "size " + Files.size(page));
  }

  @ParameterizedTest
  @CsvSource({"360,false", "360,true", "768,false", "1600,true"})
  void everyChartIsDrawnAndNothingSticksOut(int width, boolean dark) throws Exception {
    drawn(page, 10, width, dark);
  }

  @Test
  void theReportOfOneMethodNeedsNoOther() throws Exception {
    Path other = folder.resolve("unlearn.html");
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            ("unlearn --method ssd --selection 4 --data glyphs:train/400 --test glyphs:test/200"
                    + " --forget-class 3 --quiet --model "
                    + folder.resolve("seed-1/before.onnx")
                    + " --out "
                    + folder.resolve("x.onnx")
                    + " --report "
                    + other)
                .split(" "));
    assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
    assertTrue(Files.readString(other).contains("only a model trained anew without the forgotten"));
    drawn(other, 8, 600, false);
  }

  @ParameterizedTest
  @CsvSource({"before,7,--reference", "reference,7,--before"})
  void aReportNeedsTheModelBeforeOrTheOneTrainedAnew(String given, int charts, String missing)
      throws Exception {
    Path other = folder.resolve(given + ".html");
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            ("evaluate --data glyphs:test/200 --train glyphs:train/400 --forget-class 3 --model "
                    + folder.resolve("seed-1/fine-tune.onnx")
                    + " --%s ".formatted(given)
                    + folder.resolve(
                        "seed-1/%s.onnx".formatted(given.equals("before") ? given : "retrain"))
                    + " --report "
                    + other)
                .split(" "));
    assertEquals(0, outcome.status(), outcome.err());
    String note = "There is no " + missing;
    assertTrue(outcome.out().contains("note: " + note), outcome.out());
    String page = Files.readString(other);
    assertTrue(page.contains(note), "in the report");
    assertFalse(page.contains("There is no --" + given), "what is there");
    assertEquals(given.equals("before"), page.contains("data-answer=\"before\"></span>"));
    drawn(other, charts, 600, false);
    JsonNode answer =
        new Browser(folder)
            .probe(
                other,
                600,
                false,
                """
                const seen = [];
                const select = document.getElementById("method");
                for (const option of select.options) {
                  select.value = option.value;
                  select.dispatchEvent(new Event("change"));
                  seen.push([...document.querySelectorAll("[data-answer=after]")].map((e) => e.textContent).join(""));
                }
                return { problems, seen };
                """);
    assertEquals("[]", answer.get("problems").toString());
    assertEquals(given.equals("before") ? 1 : 2, answer.get("seen").size());
    answer.get("seen").forEach(it -> assertTrue(it.asText().matches("[0-9]{12}"), it.asText()));
  }

  @ParameterizedTest
  @CsvSource({"360,true", "500,false", "1280,false"})
  void theDemonstrationHasItsOwnChartsToo(int width, boolean dark) throws Exception {
    Path demo = folder.resolve("demo");
    if (!Files.exists(demo)) {
      Nepenthe.Outcome outcome =
          Nepenthe.here(("demo --train 1000 --epochs 1 --quiet --out " + demo).split(" "));
      assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
    }
    drawn(demo.resolve("report.html"), 12, width, dark);
  }

  private static void drawn(Path page, int charts, int width, boolean dark) throws Exception {
    JsonNode answer =
        new Browser(folder)
            .probe(
                page,
                width,
                dark,
                """
                const charts = [...document.querySelectorAll(".chart")].filter((place) => place.offsetParent).map((place) => {
                  const svg = place.querySelector("svg");
                  return {
                    id: place.id,
                    shapes: svg ? svg.querySelectorAll("path").length : 0,
                    words: place.getAttribute("aria-label") ?? "",
                    over: svg ? svg.getBoundingClientRect().right - place.getBoundingClientRect().right : 0,
                  };
                });
                return {
                  problems,
                  charts,
                  width: innerWidth,
                  over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
                  cut: [...document.querySelectorAll(".tile, section")].filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.textContent),
                  page: getComputedStyle(document.body).backgroundColor,
                };
                """);
    assertEquals(0, answer.get("problems").size(), answer.get("problems").toString());
    assertEquals(width, answer.get("width").asInt());
    assertTrue(answer.get("over").asInt() <= 0, answer.get("over") + " pixels too wide");
    assertEquals(0, answer.get("cut").size(), answer.get("cut").toString());
    assertEquals(charts, answer.get("charts").size());
    for (JsonNode chart : answer.get("charts")) {
      assertTrue(chart.get("shapes").asInt() > 5, chart.toString());
      assertTrue(chart.get("words").asText().length() > 20, chart.toString());
      assertTrue(chart.get("over").asDouble() <= 1, chart.toString());
    }
    assertEquals(dark ? "rgb(18, 20, 23)" : "rgb(246, 246, 244)", answer.get("page").asText());
  }

  /** Whatever the figures are: a tick at 69 beside one at 70 could not be read. */
  @ParameterizedTest
  @ValueSource(ints = {360, 1280})
  void theTicksOfTheTradeOffAreEvenAndKeepOffEachOther(int width) throws Exception {
    JsonNode answer =
        new Browser(folder)
            .probe(
                page,
                width,
                false,
                """
                const holder = document.getElementById("data");
                const text = holder.textContent;
                const source = [...document.scripts].find((it) => it.textContent.includes("function tradeoff(")).textContent;
                const seen = [];
                for (const least of [0, 0.4, 7, 13, 26, 35, 48, 52, 61, 66, 70, 73, 79, 83, 88, 91, 94, 96, 97.3, 98.2, 98.9, 99.4, 99.96, 100]) {
                  const data = JSON.parse(text);
                  data.attack = false;
                  data.models.forEach(({ metrics }, i) => {
                    metrics.testAccuracy = metrics.forgetAccuracy = (least + (i * (100 - least)) / 9) / 100;
                  });
                  holder.textContent = JSON.stringify(data);
                  document.querySelectorAll(".chart").forEach((place) => echarts.getInstanceByDom(place)?.dispose());
                  document.body.append(Object.assign(document.createElement("script"), { textContent: source }));
                  const numbers = [...document.querySelectorAll("#tradeoff svg text")].filter((it) => /^[0-9., ]+$/.test(it.textContent));
                  const boxes = numbers.map((it) => ({ text: it.textContent, end: it.getAttribute("text-anchor") === "end", ...it.getBoundingClientRect().toJSON() }));
                  const lowest = Math.max(...boxes.map(({ top }) => top));
                  const beside = Math.min(...boxes.filter(({ end }) => end).map(({ right }) => right));
                  seen.push({
                    least,
                    up: boxes.filter(({ end, right }) => end && right - beside < 1).sort((a, b) => b.top - a.top).map(({ text, top, bottom }) => [text, -bottom, -top]),
                    over: boxes.flatMap((one, i) => boxes.slice(i + 1).filter((other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom).map((other) => one.text + " over " + other.text)),
                    across: boxes.filter(({ end, top }) => !end && Math.abs(top - lowest) < 1).map(({ text, left, right }) => [text, left, right]),
                  });
                }
                return { problems, seen };
                """);
    assertEquals("[]", answer.get("problems").toString());
    assertEquals(24, answer.get("seen").size());
    for (JsonNode seen : answer.get("seen")) {
      assertEquals("[]", seen.get("over").toString(), seen.toString());
      for (String axis : new String[] {"up", "across"}) {
        JsonNode ticks = seen.get(axis);
        assertTrue(ticks.size() >= 4 && ticks.size() <= 8, seen.toString());
        assertTrue(ticks.get(0).get(0).asDouble() <= seen.get("least").asDouble());
        assertEquals(100, ticks.get(ticks.size() - 1).get(0).asDouble(), seen.toString());
        double step = ticks.get(1).get(0).asDouble() - ticks.get(0).get(0).asDouble();
        for (int i = 1; i < ticks.size(); i++) {
          JsonNode before = ticks.get(i - 1);
          JsonNode tick = ticks.get(i);
          assertTrue(before.get(2).asDouble() <= tick.get(1).asDouble(), seen.toString());
          assertEquals(step, tick.get(0).asDouble() - before.get(0).asDouble(), 1e-9, axis + seen);
        }
      }
    }
  }

  @Test
  void ofTooFewSamplesThereIsNoMapAndThatIsSaid() throws Exception {
    Path few = folder.resolve("few");
    Nepenthe.Outcome outcome =
        Nepenthe.here(
            ("compare --arch mlp --width 4 --epochs 1 --data glyphs:train/8 --test glyphs:test/8"
                    + " --forget-where id=3 --seeds 1 --quiet --methods fine-tune --out "
                    + few)
                .split(" "));
    assertEquals(new Nepenthe.Outcome(0, "", ""), outcome);
    drawn(few.resolve("report.html"), 7, 600, false);
    JsonNode answer =
        new Browser(folder)
            .probe(
                few.resolve("report.html"),
                600,
                false,
                "return document.getElementById('embedding-note').textContent;");
    assertEquals("There are too few samples for a map of them.", answer.asText());
  }

  @Test
  void everyMethodCanBeLookedAtAndTheTableSorted() throws Exception {
    JsonNode answer =
        new Browser(folder)
            .probe(
                page,
                1200,
                false,
                """
                const seen = [];
                const select = document.getElementById("method");
                for (const option of select.options) {
                  select.value = option.value;
                  select.dispatchEvent(new Event("change"));
                  seen.push({
                    title: document.querySelector(".chosen-title").textContent,
                    answers: [...document.querySelectorAll("[data-answer=after]")].map((e) => e.textContent),
                    cells: document.querySelectorAll("#confusion td.right").length,
                    label: document.getElementById("classes").getAttribute("aria-label"),
                  });
                }
                const table = document.querySelector("table.numbers");
                const column = (i) => [...table.tBodies[0].rows].map((row) => Number(row.cells[i].dataset.value));
                const button = table.querySelectorAll("thead button")[0];
                const original = column(1);
                button.click();
                const falling = column(1);
                button.click();
                const rising = column(1);
                button.click();
                return {
                  problems, seen, falling, rising, original, again: column(1),
                  focusable: document.querySelectorAll("select, summary, [tabindex='0'], thead button").length,
                };
                """);
    assertEquals(0, answer.get("problems").size(), answer.get("problems").toString());
    assertEquals(3, answer.get("seen").size());
    for (JsonNode seen : answer.get("seen")) {
      assertTrue(seen.get("label").asText().contains(seen.get("title").asText()), seen.toString());
      assertEquals(12, seen.get("answers").size());
      seen.get("answers").forEach(word -> assertTrue(word.asText().matches("[0-9]"), "answer"));
      assertTrue(seen.get("cells").asInt() > 5, seen.toString());
    }
    assertEquals(answer.get("original"), answer.get("again"));
    for (int i = 1; i < 4; i++) {
      JsonNode falling = answer.get("falling");
      JsonNode rising = answer.get("rising");
      assertTrue(falling.get(i - 1).asDouble() >= falling.get(i).asDouble(), falling.toString());
      assertTrue(rising.get(i - 1).asDouble() <= rising.get(i).asDouble(), rising.toString());
    }
    assertTrue(answer.get("focusable").asInt() > 20);
  }
}
