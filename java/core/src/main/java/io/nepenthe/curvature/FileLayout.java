package io.nepenthe.curvature;

/**
 * How statistics are named and ordered in files: by the model file's names of the parameters, and
 * in the order of its weights.
 */
public interface FileLayout {
  /** The engine's own names and order. */
  FileLayout ENGINE =
      new FileLayout() {
        @Override
        public String name(String parameter) {
          return parameter;
        }

        @Override
        public long feature(String weight, long feature) {
          return feature;
        }
      };

  /** The name in the file of a parameter. */
  String name(String parameter);

  /**
   * The position in the file of one of the features that a weight's row multiplies.
   *
   * @param weight the engine's name of the weights
   * @param feature counted in the engine's order: kernel row, kernel column, channel
   */
  long feature(String weight, long feature);
}
