package io.nepenthe.evaluate;

import de.bwaldvogel.liblinear.FeatureNode;
import de.bwaldvogel.liblinear.Linear;
import de.bwaldvogel.liblinear.Model;
import de.bwaldvogel.liblinear.Parameter;
import de.bwaldvogel.liblinear.Problem;
import de.bwaldvogel.liblinear.SolverType;
import java.util.function.Predicate;
import libsvm.svm;
import libsvm.svm_model;
import libsvm.svm_node;
import libsvm.svm_parameter;
import libsvm.svm_problem;

/** The two attackers' classifiers, members against non-members, from LIBSVM and LIBLINEAR. */
final class Classifiers {
  static {
    svm.svm_set_print_string_function(text -> {});
    Linear.disableDebugOutput();
  }

  private Classifiers() {}

  /** A support vector machine with C = 3 and a Gaussian kernel of γ = 1 / dimension. */
  static Predicate<double[]> supportVectors(double[][] members, double[][] others) {
    svm_problem problem = new svm_problem();
    problem.l = members.length + others.length;
    problem.x = new svm_node[problem.l][];
    problem.y = new double[problem.l];
    for (int i = 0; i < problem.l; i++) {
      boolean member = i < members.length;
      problem.x[i] = nodes(member ? members[i] : others[i - members.length]);
      problem.y[i] = member ? 1 : 0;
    }
    svm_parameter parameter = new svm_parameter();
    parameter.svm_type = svm_parameter.C_SVC;
    parameter.kernel_type = svm_parameter.RBF;
    parameter.C = 3;
    parameter.gamma = 1.0 / members[0].length;
    parameter.eps = 1e-3;
    parameter.cache_size = 200;
    parameter.shrinking = 1;
    svm_model model = svm.svm_train(problem, parameter);
    return features -> svm.svm_predict(model, nodes(features)) == 1;
  }

  private static svm_node[] nodes(double... features) {
    svm_node[] nodes = new svm_node[features.length];
    for (int i = 0; i < nodes.length; i++) {
      nodes[i] = new svm_node();
      nodes[i].index = i + 1;
      nodes[i].value = features[i];
    }
    return nodes;
  }

  /**
   * Logistic regression with ℓ2 penalty, C = 1, both classes of equal weight, on features brought
   * to mean 0 and deviation 1.
   */
  static Predicate<double[]> logistic(double[][] members, double[][] others) {
    int all = members.length + others.length;
    int dimension = members[0].length;
    double[] mean = new double[dimension];
    double[] deviation = new double[dimension];
    for (int d = 0; d < dimension; d++) {
      double sum = 0;
      double squares = 0;
      for (int i = 0; i < all; i++) {
        double x = row(members, others, i)[d];
        sum += x;
        squares += x * x;
      }
      mean[d] = sum / all;
      double variance = squares / all - mean[d] * mean[d];
      deviation[d] = variance > 0 ? Math.sqrt(variance) : 1;
    }
    Problem problem = new Problem();
    problem.l = all;
    problem.n = dimension + 1;
    problem.bias = 1;
    problem.x = new FeatureNode[all][];
    problem.y = new double[all];
    for (int i = 0; i < all; i++) {
      problem.x[i] = scaled(row(members, others, i), mean, deviation);
      problem.y[i] = i < members.length ? 1 : 0;
    }
    Parameter parameter = new Parameter(SolverType.L2R_LR, 1, 1e-6);
    parameter.setWeights(
        new double[] {all / (2.0 * others.length), all / (2.0 * members.length)}, new int[] {0, 1});
    Model model = Linear.train(problem, parameter);
    return features -> Linear.predict(model, scaled(features, mean, deviation)) == 1;
  }

  private static double[] row(double[][] members, double[][] others, int i) {
    return i < members.length ? members[i] : others[i - members.length];
  }

  private static FeatureNode[] scaled(double[] features, double[] mean, double[] deviation) {
    FeatureNode[] nodes = new FeatureNode[features.length + 1];
    for (int d = 0; d < features.length; d++) {
      nodes[d] = new FeatureNode(d + 1, (features[d] - mean[d]) / deviation[d]);
    }
    nodes[features.length] = new FeatureNode(features.length + 1, 1);
    return nodes;
  }
}
