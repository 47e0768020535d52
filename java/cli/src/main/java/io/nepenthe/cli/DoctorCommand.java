package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.CudaException;
import io.nepenthe.kernel.Device;
import io.nepenthe.kernel.NativeException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Command;

/** What this machine offers, what was chosen, and for each thing missing the reason and remedy. */
@Command(
    name = "doctor",
    description = "Says what this machine offers, and what to do about anything missing.",
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe doctor",
      "",
      "Exit status 1 means that nothing can run here: the native library does not load."
    })
final class DoctorCommand extends Operation {
  private Run run;
  private ArrayNode checks;

  @Override
  void run(Run current) {
    run = current;
    checks = run.result().json().putArray("checks");
    Runtime.Version version = Runtime.version();
    found("Java", version + ", " + System.getProperty("java.vm.vendor") + ", in " + javaHome());
    found(
        "System",
        "%s %s, %s"
            .formatted(
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                System.getProperty("os.arch")));
    found("Processor", processor() + ", " + Runtime.getRuntime().availableProcessors() + " usable");
    nativeLibrary();
    cuda();
  }

  private void cuda() {
    Optional<String> reason = Cuda.unavailable(0);
    if (reason.isPresent()) {
      missing("CUDA", reason.get(), Cuda.REMEDY);
      return;
    }
    try (Backend backend = Device.cuda(0).open()) {
      Map<String, String> chosen = describe(backend.describe());
      ObjectNode json = run.result().json().putObject("cuda");
      chosen.forEach(json::put);
      found("CUDA", chosen.get("device") + ", products by " + chosen.get("matrix"));
      found("Convolutions", chosen.get("convolution"));
      found("Eigenvectors", chosen.get("eigenvectors"));
    } catch (CudaException e) {
      missing("CUDA", Failures.oneLine(e.getMessage()), Cuda.REMEDY);
    }
  }

  private static String javaHome() {
    return System.getProperty("java.home");
  }

  private void nativeLibrary() {
    Map<String, String> chosen;
    try {
      chosen = describe(processor(run));
    } catch (NativeException e) {
      String message = e.getMessage();
      int remedy = message.lastIndexOf("\nremedy: ");
      missing(
          "Native library",
          Failures.oneLine(remedy < 0 ? message : message.substring(0, remedy)),
          remedy < 0 ? "build Nepenthe here: mvn verify" : message.substring(remedy + 9).strip());
      run.exitCode(1);
      return;
    }
    run.result().describe(chosen);
    run.result().json().set("backend", run.result().json().objectNode());
    chosen.forEach(((ObjectNode) run.result().json().get("backend"))::put);
    String cap = chosen.getOrDefault("isa.cap", "");
    found(
        "Instructions",
        "%s chosen of %s%s"
            .formatted(
                chosen.get("isa"),
                chosen.getOrDefault("isa.supported", "").replace(",", ", "),
                cap.isEmpty() ? "" : ", capped by NEPENTHE_MAX_ISA=" + cap));
    found(
        "Native library",
        "%s, from %s".formatted(chosen.get("library"), origin(chosen.get("origin"))));
    found("oneDNN", chosen.get("onednn"));
  }

  /** Of the processor, whatever device was asked for. */
  private static String processor(Run run) {
    Device processor = run.device() instanceof Device.Cpu cpu ? cpu : Device.cpu();
    try (Backend backend = processor.open()) {
      return backend.describe();
    }
  }

  private static String origin(String origin) {
    return origin.equals("jar") ? "the jar" : origin;
  }

  /** The lines {@code key=value} as a map. */
  static Map<String, String> describe(String lines) {
    Map<String, String> map = new LinkedHashMap<>();
    lines
        .lines()
        .filter(line -> line.contains("="))
        .forEach(
            line ->
                map.put(
                    line.substring(0, line.indexOf('=')), line.substring(line.indexOf('=') + 1)));
    return map;
  }

  private static String processor() {
    try (Stream<String> lines =
        Files.lines(Path.of("/proc/cpuinfo"), StandardCharsets.ISO_8859_1)) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException e) {
      return System.getProperty("os.arch");
    }
  }

  private void found(String what, String words) {
    checks.addObject().put("name", what).put("ok", true).put("found", words);
    run.say("%-16s%s", what, words);
  }

  private void missing(String what, String reason, String remedy) {
    checks
        .addObject()
        .put("name", what)
        .put("ok", false)
        .put("reason", reason)
        .put("remedy", remedy);
    run.say("%-16smissing: %s", what, reason);
    run.say("%-16sremedy: %s", "", remedy);
  }
}
