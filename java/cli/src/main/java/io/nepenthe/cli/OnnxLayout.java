package io.nepenthe.cli;

import io.nepenthe.curvature.FileLayout;
import io.nepenthe.onnx.OnnxModel;

/**
 * The names and order of a model's ONNX file.
 *
 * @param model as it was read
 */
record OnnxLayout(OnnxModel model) implements FileLayout {
  @Override
  public String name(String parameter) {
    return model.initialiser(parameter).name();
  }

  @Override
  public long feature(String weight, long feature) {
    return model.initialiser(weight).feature(feature);
  }
}
