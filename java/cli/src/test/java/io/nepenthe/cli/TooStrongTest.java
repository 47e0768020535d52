package io.nepenthe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** A method that cost too much is named, and the next thing to try. */
class TooStrongTest {
  private static final ObjectNode SETTINGS =
      JsonNodeFactory.instance.objectNode().put("learningRate", "0.013");

  private static JsonNode[] kept(double... accuracies) {
    return Arrays.stream(accuracies)
        .mapToObj(rate -> JsonNodeFactory.instance.objectNode().put("retainAccuracy", rate))
        .toArray(JsonNode[]::new);
  }

  @Test
  void oneRuinedSeedIsNamedHoweverGoodTheOthersAre() {
    assertEquals(
        Optional.of(
            "salun lost 85 points of the accuracy on what is kept, with 1 of 3 seeds: too strong"
                + " for this network; remedy: weaker settings, for instance --set"
                + " salun.learningRate=0.0041"),
        TooStrong.of("salun", SETTINGS, "salun.", kept(0.99, 0.98, 0.97), kept(0.98, 0.13, 0.99)));
  }

  @Test
  void withOneModelThereIsNoMentionOfSeedsAndWithoutARateNoAdvice() {
    assertEquals(
        Optional.of(
            "lfssd lost 20 points of the accuracy on what is kept: too strong for this network;"
                + " remedy: weaker settings"),
        TooStrong.of("lfssd", JsonNodeFactory.instance.objectNode(), "", kept(0.9), kept(0.7)));
  }

  @Test
  void trainingAnewIsNeverTooStrong() {
    assertEquals(Optional.empty(), TooStrong.of("retrain", SETTINGS, "", kept(0.9), kept(0.2)));
  }

  @Test
  void tenPointsAreTolerated() {
    assertEquals(
        Optional.empty(), TooStrong.of("salun", SETTINGS, "", kept(0.75, 1), kept(0.66, 1)));
  }
}
