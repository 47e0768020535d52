/**
 * Finds training examples that were tampered with: by influence, activations, frequencies, losses.
 */
package io.nepenthe.detect;
