/** Times every operation with JMH, against what the machine was measured to do in the same run. */
package io.nepenthe.benchmarks;
