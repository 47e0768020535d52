package io.nepenthe.nn;

import io.nepenthe.tensor.Tensor;

/** Sees what every node of a network computes, in the order in which it is computed. */
@FunctionalInterface
public interface OutputVisitor {
  /** A visitor that does nothing. */
  OutputVisitor NONE = (node, output) -> {};

  /**
   * Sees one node's output. The tensor belongs to the execution, holds these values only during the
   * call, and must not be written.
   *
   * @param node its index in the network, from 1
   * @param output batch × the node's extent
   */
  void visit(int node, Tensor output);
}
