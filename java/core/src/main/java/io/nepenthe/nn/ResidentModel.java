package io.nepenthe.nn;

import io.nepenthe.kernel.Backend;

/**
 * A model where a backend's operations run: the model itself if they can use it as it is, else a
 * copy on the device. Nothing is copied but by {@link #refresh} and {@link #bring}. Close it before
 * the model and the backend.
 */
public final class ResidentModel implements AutoCloseable {
  private final Model model;
  private final Model here;

  /** With the model's present values. */
  public ResidentModel(Model model, Backend backend) {
    this.model = model;
    this.here = backend.holds(model.parameters().flat()) ? model : model.copyTo(backend);
  }

  /** The model to run. */
  public Model here() {
    return here;
  }

  /** Takes over the model's values, which may have changed. */
  public void refresh() {
    if (here != model) {
      here.copyFrom(model);
    }
  }

  /** Gives the model the values that were computed here. */
  public void bring() {
    if (here != model) {
      model.copyFrom(here);
    }
  }

  /** Gives the model the running statistics only. */
  void bringBuffers() {
    if (here != model) {
      model.buffers().flat().copyFrom(here.buffers().flat());
    }
  }

  /** Releases the copy, if there is one. */
  @Override
  public void close() {
    if (here != model) {
      here.close();
    }
  }
}
