package io.nepenthe.cli;

import tagbio.umap.Umap;

/**
 * Features in two dimensions, so that neighbours stay neighbours: UMAP (McInnes, Healy, Melville,
 * arXiv 1802.03426), turned so that it can be compared with another of the same samples.
 */
final class Embedding {
  private static final int NEIGHBOURS = 15;
  private static final int EPOCHS = 200;

  private Embedding() {}

  /**
   * Embeds.
   *
   * @param features samples × values
   * @return samples × 2; the same for the same features and seed
   */
  static float[][] of(float[][] features, long seed) {
    if (features.length <= NEIGHBOURS + 1) {
      return new float[0][];
    }
    Umap umap = new Umap();
    umap.setNumberComponents(2);
    umap.setNumberNearestNeighbours(NEIGHBOURS);
    umap.setNumberEpochs(EPOCHS);
    umap.setMinDist(0.1f);
    umap.setThreads(1);
    umap.setSeed(seed);
    return umap.fitTransform(features);
  }

  /**
   * Moves, turns and perhaps mirrors an embedding so that its points come as near as they can to
   * the same samples' points in another (orthogonal Procrustes). Distances stay.
   */
  static float[][] aligned(float[][] points, float[][] like) {
    if (points.length == 0 || points.length != like.length) {
      return points;
    }
    double[] from = centre(points);
    double[] to = centre(like);
    double dot = 0;
    double cross = 0;
    double mirroredDot = 0;
    double mirroredCross = 0;
    for (int i = 0; i < points.length; i++) {
      double x = points[i][0] - from[0];
      double y = points[i][1] - from[1];
      double u = like[i][0] - to[0];
      double v = like[i][1] - to[1];
      dot += x * u + y * v;
      cross += x * v - y * u;
      mirroredDot += x * u - y * v;
      mirroredCross += x * v + y * u;
    }
    boolean mirror = Math.hypot(mirroredDot, mirroredCross) > Math.hypot(dot, cross);
    double angle = mirror ? Math.atan2(mirroredCross, mirroredDot) : Math.atan2(cross, dot);
    float[][] turned = new float[points.length][];
    for (int i = 0; i < points.length; i++) {
      double x = points[i][0] - from[0];
      double y = (points[i][1] - from[1]) * (mirror ? -1 : 1);
      turned[i] =
          new float[] {
            (float) (Math.cos(angle) * x - Math.sin(angle) * y + to[0]),
            (float) (Math.sin(angle) * x + Math.cos(angle) * y + to[1])
          };
    }
    return turned;
  }

  private static double[] centre(float[][] points) {
    double[] sum = new double[2];
    for (float[] point : points) {
      sum[0] += point[0] / points.length;
      sum[1] += point[1] / points.length;
    }
    return sum;
  }
}
