package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A real browser without a window, cut off from every network. */
final class Browser {
  private static final Pattern ANSWER = Pattern.compile("<pre id=\"probe\">(.*?)</pre>", 32);

  private final Path folder;

  /** Skips the test where there is no browser. */
  Browser(Path folder) {
    this.folder = folder;
    assumeTrue(
        Stream.of(System.getenv("PATH").split(File.pathSeparator))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "chromium"))),
        "no chromium on the PATH");
  }

  /**
   * Opens a page, runs a script after its own, and returns what the script gives.
   *
   * @param script the body of an asynchronous function that returns something for JSON
   */
  JsonNode probe(Path page, int width, boolean dark, String script) throws Exception {
    String probe =
        """
        <script>
        window.problems = [];
        addEventListener("error", (event) => problems.push(event.message));
        for (const name of ["error", "warn"]) {
          const old = console[name];
          console[name] = (...words) => { problems.push(words.join(" ")); old(...words); };
        }
        </script>
        """;
    String after =
        """
        <script>
        setTimeout(async () => {
          let answer;
          try {
            answer = await (async () => { %s })();
          } catch (error) {
            answer = { failure: error.stack };
          }
          parent.postMessage(JSON.stringify(answer), "*");
        }, 300);
        </script>
        </body>
        """
            .formatted(script);
    // A window is 500 pixels wide at least; a frame is as narrow as it is told.
    String frame =
        """
        <!DOCTYPE html><meta name="color-scheme" content="light dark">
        <script>
        addEventListener("message", (event) => {
          const pre = document.createElement("pre");
          pre.id = "probe";
          pre.textContent = event.data;
          document.body.append(pre);
        });
        </script>
        <body style="margin: 0"><iframe src="probed.html" width="%d" height="900" style="border: 0">
        </iframe></body>
        """
            .formatted(width);
    String text = Files.readString(page);
    Path probed = folder.resolve("probed.html");
    Files.writeString(probed, text.replace("<head>", "<head>" + probe).replace("</body>", after));
    Path framed = Files.writeString(folder.resolve("framed.html"), frame);
    List<String> command =
        new ArrayList<>(
            List.of(
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--user-data-dir=" + folder.resolve("browser"),
                "--window-size=" + Math.max(width, 500) + ",900",
                "--hide-scrollbars",
                "--virtual-time-budget=10000",
                "--dump-dom"));
    if (dark) {
      command.add("--blink-settings=preferredColorScheme=0");
    }
    command.add(framed.toUri().toString());
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    String dom = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the browser does not end");
    Matcher matcher = ANSWER.matcher(dom);
    assertTrue(matcher.find(), "the page did not get so far");
    String json = matcher.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    JsonNode answer = new ObjectMapper().readTree(json);
    assertEquals("", answer.path("failure").asText(), "in the page");
    return answer;
  }
}
