package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.nepenthe.evaluate.Interval;
import io.nepenthe.unlearn.SsdSearch;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The demonstration does what it claims, seed after seed. */
class DemoTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void theBackdoorIsForgottenAndTheDigitsAreNot(int seed) throws Exception {
    Path out = folder.resolve("out");
    Nepenthe.Outcome outcome =
        Nepenthe.run("demo", "--seed", Integer.toString(seed), "--out", out.toString());
    assertEquals(0, outcome.status(), outcome.err());
    JsonNode result = Nepenthe.json(out.resolve("result.json"));
    assertEquals("demo", result.get("command").asText());
    assertEquals(seed, result.get("seed").asInt());
    assertEquals("cpu", result.get("device").asText());
    JsonNode task = result.get("task");
    assertEquals("badnets", task.get("kind").asText());
    assertEquals(0.1, task.get("known").asDouble());
    assertEquals(200, task.get("poisoned").asInt());
    assertEquals(10_000, task.get("train").asInt());

    JsonNode before = result.get("before");
    JsonNode ssd = method(result, "ssd");
    JsonNode retrain = method(result, "retrain");
    assertTrue(rate(before, "attackSuccessRate") >= 0.95, before.toString());
    assertTrue(rate(ssd, "attackSuccessRate") <= 0.10, ssd.toString());
    assertTrue(
        rate(ssd, "cleanAccuracy") >= rate(before, "cleanAccuracy") - 0.02, result.toString());
    assertTrue(rate(retrain, "attackSuccessRate") >= 0.50, retrain.toString());
    assertTrue(ssd.get("seconds").get("total").asDouble() > 0);

    String page = Files.readString(out.resolve("report.html"));
    Map<String, JsonNode> lines = new LinkedHashMap<>();
    lines.put("trained with the backdoor", before);
    lines.put("forgotten by ssd", ssd);
    lines.put("trained anew, known removed", retrain);
    lines.forEach((line, model) -> assertIntervals(outcome.out(), line, model, page));
    assertTrue(outcome.out().lines().anyMatch(it -> it.matches(" +n = 2000 +n = 1\\d{3}")), "n");
    assertSelfContained(page);
    assertTrue(page.contains(Text.percent(rate(ssd, "attackSuccessRate"))));
  }

  /** In result, on the terminal and in the report the same, and that of the shares. */
  private static void assertIntervals(String out, String line, JsonNode model, String page) {
    StringBuilder shown = new StringBuilder();
    for (String share : List.of("cleanAccuracy", "attackSuccessRate")) {
      JsonNode found = model.at("/interval95/" + share);
      Interval wilson =
          Interval.wilson(model.get(share).asDouble(), found.path("samples").asLong());
      assertEquals(wilson.low(), found.get("low").asDouble(), found.toString());
      assertEquals(wilson.high(), found.get("high").asDouble(), found.toString());
      String words = Intervals.text(model, "/" + share).orElseThrow();
      shown.append(" +").append(Pattern.quote(words));
      assertTrue(page.contains(words + " †"), words);
    }
    String below = out.lines().dropWhile(it -> !it.startsWith(line)).skip(1).findFirst().get();
    assertTrue(below.matches("  95 %" + shown), below);
  }

  /** The demonstration with a search whose only strength ruins the network. */
  @Command(name = "demo")
  private static final class Ruinous extends Operation {
    @Override
    void run(Run run) {
      SsdSearch search = new SsdSearch(1e-6f, 1e-6f, 2, 0, 0, 256);
      new Demo(run, Demo.Settings.of(500, 100, 2, run.seed()).withSearch(search)).outcome().close();
    }
  }

  @Test
  void whereNoStrengthIsToleratedThatIsSaidAndNothingIsDampened() {
    StringWriter err = new StringWriter();
    int status =
        new CommandLine(new Ruinous())
            .setErr(new PrintWriter(err, true))
            .setExecutionExceptionHandler(Failures::report)
            .execute("--quiet");
    assertEquals(
        "demo: ssd: no strength of dampening keeps the accuracy on the held-out data: no model is"
            + " written; remedy: more images (--train) or longer training (--epochs)\n",
        err.toString());
    assertEquals(1, status);
  }

  private static JsonNode method(JsonNode result, String name) {
    for (JsonNode method : result.get("methods")) {
      if (method.get("name").asText().equals(name)) {
        return method;
      }
    }
    throw new AssertionError("no method " + name);
  }

  private static double rate(JsonNode node, String name) {
    double rate = node.get(name).asDouble(Double.NaN);
    assertTrue(rate >= 0 && rate <= 1, name + " = " + rate);
    return rate;
  }

  /** Nothing is fetched from anywhere, and every picture has words. */
  private static void assertSelfContained(String page) {
    for (String loading : new String[] {"src=\"http", "href=\"http", "@import", "url(http", "{{"}) {
      assertFalse(page.contains(loading), loading);
    }
    String[] images = page.substring(0, page.indexOf("<script")).split("<img ", -1);
    assertTrue(images.length > 20, "sample images and forgotten ones");
    for (int i = 1; i < images.length; i++) {
      String tag = images[i].substring(0, images[i].indexOf('>'));
      assertTrue(tag.contains("src=\"data:image/png;base64,") && tag.contains("alt=\""), tag);
    }
  }
}
