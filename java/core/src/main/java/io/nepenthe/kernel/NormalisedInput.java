package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * One of the two inputs of {@link Dense#batchNormReluPairGradient}, and where its gradients go.
 *
 * @param norm what normalises it
 * @param x samples × … × channels
 * @param dx of x's shape: its gradient
 * @param scaleGradients of shape samples × channels: those of its scale
 */
public record NormalisedInput(
    FrozenNormalisation norm, Tensor x, Tensor dx, Tensor scaleGradients) {}
