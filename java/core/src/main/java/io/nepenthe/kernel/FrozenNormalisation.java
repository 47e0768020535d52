package io.nepenthe.kernel;

import io.nepenthe.tensor.Tensor;

/**
 * Batch normalisation with statistics that do not depend on its input: x̂ = (x − mean)/√(variance +
 * ε), then x̂·scale + shift. All four tensors have the shape channels.
 *
 * @param mean of each channel
 * @param variance of each channel, not negative
 * @param scale γ
 * @param shift β
 * @param epsilon ε, added to the variance
 */
public record FrozenNormalisation(
    Tensor mean, Tensor variance, Tensor scale, Tensor shift, float epsilon) {}
