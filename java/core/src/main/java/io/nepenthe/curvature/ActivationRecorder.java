package io.nepenthe.curvature;

import io.nepenthe.data.DataException;
import io.nepenthe.data.SafetensorsDraft;
import io.nepenthe.nn.ParametricLayer;
import io.nepenthe.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/** Writes what a pass over a chunk shows, before others see it. */
final class ActivationRecorder implements AutoCloseable {
  private final ActivationSet set;
  private final int chunk;
  private final Map<Integer, ActivationLayout.Slot> slots = new HashMap<>();
  private SafetensorsDraft draft;

  /** Into a file that is under way. */
  ActivationRecorder(
      ActivationSet set, int chunk, ActivationLayout layout, SafetensorsDraft draft) {
    this.set = set;
    this.chunk = chunk;
    this.draft = draft;
    layout.slots().forEach(slot -> slots.put(slot.layer().node(), slot));
  }

  /** A listener that writes first. */
  FisherVectors.Listener before(FisherVectors.Listener listener) {
    return new FisherVectors.Listener() {
      private int pass;

      @Override
      public void pass(int number) {
        pass = number;
        listener.pass(number);
      }

      @Override
      public void visit(ParametricLayer layer, Tensor input, Tensor outputGradient) {
        ActivationLayout.Slot slot = slots.get(layer.node());
        if (slot != null) {
          if (pass == 0) {
            append(slot.input(), input);
          }
          append(slot.gradients().get(pass), outputGradient);
        }
        listener.visit(layer, input, outputGradient);
      }

      @Override
      public void passed() {
        listener.passed();
      }
    };
  }

  private void append(String name, Tensor values) {
    if (draft == null) {
      return;
    }
    try {
      draft.append(name, values);
    } catch (DataException e) {
      giveUp(e);
    }
  }

  /** A full disk is no reason to end a computation that does without. */
  private void giveUp(DataException reason) {
    close();
    draft = null;
    set.giveUp(reason);
  }

  /** The chunk is complete. */
  void finish() {
    if (draft == null) {
      return;
    }
    try {
      set.add(chunk, draft.finish());
    } catch (DataException e) {
      giveUp(e);
    }
  }

  @Override
  public void close() {
    if (draft != null) {
      draft.close();
    }
  }
}
