/**
 * The figures of docs/influence.md: what is measured, kept in a file of results, and its tables.
 */
package io.nepenthe.benchmarks.influence;
