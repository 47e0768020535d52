/**
 * Models in and out of ONNX files. ONNX is channels first, the engine channels last: weights are
 * permuted on the way in and out, and initialiser names survive both.
 */
package io.nepenthe.onnx;
