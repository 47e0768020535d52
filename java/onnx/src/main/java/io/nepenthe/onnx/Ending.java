package io.nepenthe.onnx;

/** What a model file computes from the logits. The engine's networks end with the logits. */
public enum Ending {
  /** Nothing: the file's output is the logits. */
  LOGITS,
  /** Probabilities. */
  SOFTMAX,
  /** Logarithms of probabilities. */
  LOG_SOFTMAX
}
