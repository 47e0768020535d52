/** Nepenthe: native kernels and a Java library that make a trained neural network forget. */
package io.nepenthe;
