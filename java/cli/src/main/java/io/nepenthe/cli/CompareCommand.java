package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.AtomicFile;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Normalisation;
import io.nepenthe.unlearn.Forgetting;
import io.nepenthe.unlearn.Ladder;
import io.nepenthe.unlearn.Methods;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Several methods on one task. */
@Command(
    name = "compare",
    description = {
      "Trains a model for each of several seeds, makes each forget the same examples by several",
      "methods, and compares them with training anew. What is done is kept in the folder: a run that",
      "was ended goes on where it was, and a method added later is all that is computed then. So is",
      "that a method failed with a seed, and why; the others go on."
    },
    footerHeading = "%nExample:%n",
    footer = {
      "  nepenthe compare --arch lenet --data npz:poisoned/data.npz --forget poisoned/known.txt \\",
      "      --test glyphs:test#0-999 --held-out glyphs:test#1000-1999 --target 0 \\",
      "      --methods ssd,salun,fine-tune --seeds 3 --out comparison",
      "",
      "Writes report.html, result.json and every model to the folder."
    })
final class CompareCommand extends Operation {
  @Option(
      names = "--data",
      paramLabel = "DATA",
      required = true,
      description = "The training data, with the examples to be forgotten.")
  private String data;

  @Mixin private ForgetOptions forget;

  @Option(
      names = "--test",
      paramLabel = "DATA",
      required = true,
      description = "Test data, to judge by.")
  private String test;

  @Option(
      names = "--held-out",
      paramLabel = "DATA",
      description = "Trusted clean data that was not trained on, which methods may use.")
  private String heldOut;

  @Mixin private Backdoor backdoor;

  @Mixin private Confused confused;

  @Option(
      names = "--methods",
      paramLabel = "M[,M…]",
      split = ",",
      completionCandidates = MethodNames.class,
      description = {
        "Which methods, of ${COMPLETION-CANDIDATES} (default: all that the task allows);",
        "retrain is always among them."
      })
  private List<String> methods;

  @Option(
      names = "--set",
      paramLabel = "METHOD.NAME=VALUE",
      description = "A setting of a method, any number of times; a wrong NAME lists them.")
  private Map<String, String> settings = new LinkedHashMap<>();

  @Option(
      names = "--seeds",
      paramLabel = "N",
      defaultValue = "3",
      description = "How many seeds, from --seed on (default: 3).")
  private int seeds;

  @Option(
      names = "--tune",
      paramLabel = "N",
      defaultValue = "0",
      description = {
        "Choose each method's strength first, of six tries, on N seeds before --seed and judged by",
        "--held-out: the nearest to training anew; with --target or --confused the largest learning",
        "rate that costs no more than a point (default: 0, keep what is published or --set)."
      })
  private int tune;

  @Option(
      names = "--relearn",
      description = {
        "Measure too how soon each model, of every method and seed, knows the forgotten again: up to",
        "100 rounds of training on 500 of the training examples each."
      })
  private boolean relearn;

  @Mixin private ArchitectureOptions arch;
  @Mixin private RecipeOptions recipe;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description = "Where to write, and to find what an earlier run did.")
  private Path out;

  @Override
  void run(Run run) {
    List<Chosen> named = chosen();
    if (!arch.given()) {
      throw new ParameterException(spec.commandLine(), "--arch is needed");
    }
    recipe.trainer(run.seed());
    Outputs.requireFolder(out);
    run.resultFile(out.resolve("result.json"));
    Dataset training = run.phase("read", () -> run.data(data));
    Comparison.Plan plan = plan(run, training);
    boolean choose = tune > 0 || named.stream().anyMatch(it -> it.method().needsHeldOut());
    List<String> notes =
        new ArrayList<>(Caveats.of(plan.judged(), plan.task().heldOut().filter(_ -> choose), true));
    List<Chosen> chosen = possible(plan, named, notes);
    ObjectNode json = run.result().json();
    List<Chosen> tuned = tune == 0 ? chosen : tuned(run, plan, chosen, notes);
    Comparison comparison = new Comparison(run, plan, new Cells(out, plan.fingerprint(run)));
    List<Comparison.Row> rows = comparison.rows(tuned, relearn);
    ObjectNode task =
        json.putObject("task")
            .put("kind", backdoor.target == null ? "forget" : "badnets")
            .put("forget", plan.task().forget().size())
            .put("train", training.size())
            .put("test", plan.judged().test().orElseThrow().size())
            .put("seeds", seeds);
    Forgotten.to(task, plan.judged());
    Summary summary = new Summary(rows);
    summary.to(json);
    summary.print(run);
    if (!plan.judged().isRepair()) {
      Inconclusive.of(json.get("before"), json.at("/methods/0")).ifPresent(notes::add);
    }
    Notes.to(run, notes);
    report(run, plan, summary, Stream.concat(notes.stream(), summary.warnings().stream()).toList());
    run.result().total(run.elapsed());
    run.result().write(out.resolve("result.json"));
    run.say("%s", out.resolve("report.html"));
  }

  private void report(Run run, Comparison.Plan plan, Summary summary, List<String> notes) {
    Path file = out.resolve("report.html");
    ComparisonPage page =
        new ComparisonPage(
            "Nepenthe: %d ways to forget".formatted(summary.rows().size() - 1),
            """
            %s was trained on %s examples%s and made to forget %s of them. The standard is the same \
            network trained anew without these: it has never seen them."""
                .formatted(
                    arch.title(),
                    Text.count(plan.training().size()),
                    seeds == 1 ? "" : ", with %d seeds,".formatted(seeds),
                    Text.count(plan.task().forget().size())),
            summary.models(),
            seeds,
            plan.judged(),
            run.provenance(),
            ComparisonPage.Extras.notes(notes));
    AtomicFile.write(file, to -> to.write(page.html().getBytes(StandardCharsets.UTF_8)));
    run.result().output(file);
  }

  /**
   * The methods as strong as is best for this task; what was chosen joins the result and the notes.
   */
  private List<Chosen> tuned(
      Run run, Comparison.Plan plan, List<Chosen> chosen, List<String> notes) {
    Task trusted =
        new Task(
            plan.task().heldOut(),
            plan.judged().forget(),
            plan.judged().retain(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
    List<Long> own = seeds(run.seed() - tune, tune);
    Comparison tries =
        new Comparison(
            run,
            new Comparison.Plan(plan.training(), plan.network(), plan.task(), trusted, own),
            new Cells(out.resolve("tuning"), plan.fingerprint(run)));
    Task judged = plan.judged();
    boolean repair = judged.backdoor().isPresent() || judged.confused().isPresent();
    Tuning tuning = new Tuning(tries, own, repair ? Ladder.Aim.REPAIR : Ladder.Aim.FORGET);
    List<Chosen> result = new ArrayList<>();
    List<Tuning.Choice> choices = new ArrayList<>();
    for (Chosen method : chosen) {
      Optional<Tuning.Choice> choice =
          run.phase("tune", () -> tuning.of(method, chosen.getFirst()));
      choice.ifPresent(choices::add);
      result.add(choice.map(Tuning.Choice::method).orElse(method));
    }
    tuning.to(choices, run.result().json());
    notes.add(tuning.sentence(choices));
    return result;
  }

  private List<Chosen> chosen() {
    if (seeds < 1 || seeds > 1000) {
      throw new ParameterException(spec.commandLine(), "--seeds takes 1 to 1000");
    }
    if (tune < 0 || tune > 1000) {
      throw new ParameterException(spec.commandLine(), "--tune takes 0 to 1000");
    }
    if (tune > 0 && heldOut == null) {
      throw new ParameterException(spec.commandLine(), "--tune needs --held-out");
    }
    List<Chosen> chosen;
    try {
      chosen = Chosen.of(methods == null ? allowed() : methods, settings);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
    for (Chosen method : chosen) {
      if (heldOut == null && method.method().needsHeldOut()) {
        throw new ParameterException(spec.commandLine(), method.name() + " needs --held-out");
      }
    }
    return chosen;
  }

  /**
   * The methods whose needs the network and the held-out data meet. Those that were asked for must;
   * of all, the others are left out, which joins the notes.
   */
  private List<Chosen> possible(Comparison.Plan plan, List<Chosen> named, List<String> notes) {
    List<Chosen> possible = new ArrayList<>();
    for (Chosen method : named) {
      try {
        method.method().require(plan.network(), plan.task());
        possible.add(method);
      } catch (IllegalArgumentException e) {
        String line = method.name() + ": " + e.getMessage();
        if (methods != null) {
          throw new ParameterException(spec.commandLine(), line, e);
        }
        notes.add("Left out: " + line);
      }
    }
    return possible;
  }

  /** All, but those that need held-out data where there are none. */
  private List<String> allowed() {
    return Methods.all().stream()
        .filter(entry -> heldOut != null || !entry.published().needsHeldOut())
        .map(Methods.Entry::name)
        .toList();
  }

  private Comparison.Plan plan(Run run, Dataset training) {
    long[] ids = forget.of(training, run);
    Forgetting whole =
        Forgetting.ofIds(training, ids, Normalisation.of(training), recipe.trainer(run.seed()));
    Forgetting task = heldOut == null ? whole : whole.withHeldOut(run.data(heldOut));
    Dataset tested = run.data(test);
    Task judged =
        new Task(
            Optional.of(tested),
            Optional.of(task.forget()),
            Optional.of(task.retain()),
            Optional.empty(),
            Task.backdoor(backdoor),
            confused.of(tested));
    return new Comparison.Plan(
        training, arch.network(training), task, judged, seeds(run.seed(), seeds));
  }

  /** From one on; after the largest number comes the smallest. */
  private static List<Long> seeds(long first, int count) {
    return IntStream.range(0, count).mapToObj(i -> first + i).toList();
  }
}
