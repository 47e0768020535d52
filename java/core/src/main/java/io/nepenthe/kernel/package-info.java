/**
 * The native operations, one class each: formula, shapes, numerics, plain-Java reference, binding
 * and cost. {@link io.nepenthe.kernel.Backend} runs them on a device.
 */
package io.nepenthe.kernel;
