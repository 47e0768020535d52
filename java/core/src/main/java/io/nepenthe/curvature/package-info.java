/** Statistics of per-sample gradients: what each weight contributed. */
package io.nepenthe.curvature;
