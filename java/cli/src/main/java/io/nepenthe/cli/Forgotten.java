package io.nepenthe.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.nepenthe.data.Dataset;
import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * What was to be forgotten, for result files: whoever must show that data were removed shows by it
 * which, whatever rule chose them and wherever the data are by then.
 */
final class Forgotten {
  private Forgotten() {}

  /**
   * Adds {@code forgotten}: the ids, ascending; the checksum of their list, as {@code sha256sum}
   * gives it of a file with one a line; how many are of each class; and the checksum of their
   * contents, {@link Datasets#sha256}. With {@code altogether}, the classes of which nothing is
   * kept.
   */
  static void to(ObjectNode node, Task judged) {
    Dataset forget = judged.forget().orElseThrow();
    ObjectNode forgotten = to(node, forget);
    ArrayNode altogether = forgotten.putArray("altogether");
    for (int label : judged.forgottenClasses()) {
      altogether.add(forget.classNames().get(label));
    }
  }

  private static ObjectNode to(ObjectNode task, Dataset forget) {
    long[] ids = Datasets.ids(forget);
    Arrays.sort(ids);
    ObjectNode node = task.putObject("forgotten");
    ArrayNode list = node.putArray("ids");
    LongStream.of(ids).forEach(list::add);
    node.put(
        "idsSha256",
        Checksum.of(LongStream.of(ids).mapToObj(id -> id + "\n").collect(Collectors.joining())));
    long[] counts = new long[forget.classes()];
    for (long i = 0; i < forget.size(); i++) {
      counts[forget.label(i)]++;
    }
    ObjectNode classes = node.putObject("classes");
    for (int c = 0; c < counts.length; c++) {
      if (counts[c] > 0) {
        classes.put(forget.classNames().get(c), counts[c]);
      }
    }
    return node.put("sha256", Datasets.sha256(Subset.ofIds(forget, ids)));
  }
}
