/** Methods that make a trained model forget. */
package io.nepenthe.unlearn;
