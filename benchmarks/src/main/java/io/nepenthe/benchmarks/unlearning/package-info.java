/** How well the unlearning methods forget: the measurements behind docs/unlearning.md. */
package io.nepenthe.benchmarks.unlearning;
