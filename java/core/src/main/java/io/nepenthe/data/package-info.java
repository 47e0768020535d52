/**
 * Data sets: reading them from files, generating them, cutting, shuffling, normalising and batching
 * them, manipulating them the way an attacker or a careless annotator would, and writing them.
 *
 * <p>Start at {@link io.nepenthe.data.DataSource} to open one, {@link io.nepenthe.data.Batches} to
 * feed it to a network, {@link io.nepenthe.data.Manipulation} to poison it. The package depends on
 * no other part of Nepenthe.
 */
package io.nepenthe.data;
