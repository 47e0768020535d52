/** Off-heap float32 tensors: a memory segment and a shape, owned by the caller's arena. */
package io.nepenthe.tensor;
