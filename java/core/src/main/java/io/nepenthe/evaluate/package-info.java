/**
 * Measures what a model still knows: accuracies, membership inference, distances between models.
 */
package io.nepenthe.evaluate;
