/**
 * Networks: an immutable description ({@link io.nepenthe.nn.Network}), parameters in one flat
 * tensor ({@link io.nepenthe.nn.Model}), explicit forward and backward passes ({@link
 * io.nepenthe.nn.Execution}) whose one hook, {@link io.nepenthe.nn.LayerVisitor}, gives every
 * parametrised layer's input and output gradient; training is one such visitor.
 */
package io.nepenthe.nn;
