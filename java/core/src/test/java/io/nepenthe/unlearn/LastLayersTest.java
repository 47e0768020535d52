package io.nepenthe.unlearn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.nepenthe.data.Datasets;
import io.nepenthe.data.Subset;
import io.nepenthe.kernel.Backend;
import io.nepenthe.kernel.Device;
import io.nepenthe.nn.Architectures;
import io.nepenthe.nn.Extent;
import io.nepenthe.nn.Layer;
import io.nepenthe.nn.Model;
import io.nepenthe.nn.Network;
import io.nepenthe.nn.Optimiser;
import io.nepenthe.nn.Parameters;
import io.nepenthe.nn.Schedule;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LastLayersTest {
  private static final Network NETWORK = Architectures.resnet9(Extent.image(28, 28, 1), 10, 4);

  /** EU-3 or CF-3 on a few images. */
  private static Model after(long initial, boolean reinitialise, boolean otherTail) {
    Forgetting task =
        new Forgetting(
            Subset.range(TinyTask.CLEAN, 0, 63),
            Subset.range(TinyTask.CLEAN, 64, 79),
            Optional.empty(),
            TinyTask.NORMALISATION,
            TinyTask.RECIPE);
    Model model = Model.initialise(NETWORK, initial);
    // Statistics that are not those of a new model.
    for (long j = 0; j < model.buffers().count(); j++) {
      model.buffers().flat().set(j, 0.5f + 0.01f * (j % 7));
    }
    if (otherTail) {
      Tail.of(model, 3).reinitialise(model, 99);
      for (Parameters.Parameter buffer : model.buffers().all()) {
        if (buffer.spec().name().startsWith("res2")) {
          buffer.value().set(0, 3);
        }
      }
    }
    Steps steps = new Steps(2, 16, Optimiser.sgd(0.05, 0.9, 1e-2));
    try (Backend backend = Device.cpu(2).open()) {
      new LastLayers(3, reinitialise, steps, new Schedule.Constant())
          .forget(model, backend, task, 4, Listener.NONE);
    }
    return model;
  }

  @Test
  void whatComesBeforeTheTailIsFrozenWithItsStatistics() {
    try (Model before = Model.initialise(NETWORK, 1);
        Model model = after(1, false, false)) {
      for (Parameters.Parameter parameter : before.parameters().all()) {
        String name = parameter.spec().name();
        boolean tail = name.startsWith("res2") || name.startsWith("fc");
        boolean same =
            Arrays.equals(
                parameter.value().toArray(), model.parameters().get(name).value().toArray());
        assertEquals(!tail, same, name);
      }
      for (Parameters.Parameter buffer : model.buffers().all()) {
        boolean tail = buffer.spec().name().startsWith("res2");
        boolean same = true;
        for (long i = 0; i < buffer.value().elements(); i++) {
          float was = 0.5f + 0.01f * ((buffer.offset() + i) % 7);
          same &= buffer.value().get(i) == was;
        }
        assertEquals(!tail, same, buffer.spec().name());
      }
    }
  }

  @Test
  void nothingOfTheOldTailIsLeftAfterEu() {
    try (Model one = after(1, true, false);
        Model other = after(1, true, true);
        Model kept = after(1, false, false);
        Model keptOther = after(1, false, true)) {
      assertArrayEquals(one.parameters().flat().toArray(), other.parameters().flat().toArray());
      assertArrayEquals(one.buffers().flat().toArray(), other.buffers().flat().toArray());
      assertFalse(
          Arrays.equals(
              kept.parameters().flat().toArray(), keptOther.parameters().flat().toArray()));
    }
  }

  @Test
  void countsLayers() {
    try (Model model = Model.initialise(NETWORK, 1)) {
      assertEquals(0, Tail.of(model, -1).firstNode());
      assertEquals("fc", Tail.of(model, 1).layers().getFirst().layer().name());
      assertThrows(IllegalArgumentException.class, () -> Tail.of(model, 0));
      assertThrows(IllegalArgumentException.class, () -> Tail.of(model, 100));
    }
  }

  /** Its weights would change what comes before the tail. */
  @Test
  void aTiedLayerIsInTheTailAltogetherOrNotAtAll() {
    Layer.Linear tied = new Layer.Linear("tied", 6, 6, true);
    Network network =
        Network.builder(Extent.vector(6))
            .then(tied)
            .then(new Layer.Relu())
            .then(tied)
            .then(new Layer.Linear("head", 6, 3, true))
            .build();
    try (Model model = Model.initialise(network, 1)) {
      assertEquals(List.of("head"), names(Tail.of(model, 1)));
      assertEquals(List.of("tied", "head"), names(Tail.of(model, 3)));
      IllegalArgumentException refusal =
          assertThrows(IllegalArgumentException.class, () -> Tail.of(model, 2));
      assertTrue(refusal.getMessage().startsWith("tied is also used"), refusal.getMessage());
    }
  }

  private static List<String> names(Tail tail) {
    return tail.layers().stream().map(layer -> layer.layer().name()).toList();
  }

  @Test
  void aTaskNeedsBothParts() {
    assertThrows(
        IllegalArgumentException.class,
        () -> Forgetting.random(TinyTask.CLEAN, 0, 1, TinyTask.NORMALISATION, TinyTask.RECIPE));
    assertThrows(
        IllegalArgumentException.class,
        () -> Forgetting.random(TinyTask.CLEAN, 1, 1, TinyTask.NORMALISATION, TinyTask.RECIPE));
    Forgetting tenth =
        Forgetting.random(TinyTask.CLEAN, 0.1, 1, TinyTask.NORMALISATION, TinyTask.RECIPE);
    assertEquals(150, tenth.forget().size());
    assertEquals(1350, tenth.retain().size());
    Forgetting threes =
        Forgetting.ofClass(TinyTask.CLEAN, 3, TinyTask.NORMALISATION, TinyTask.RECIPE);
    assertEquals(150, threes.forget().size());
    assertEquals(0, Datasets.ofClasses(threes.retain(), 3).size());
  }
}
