/* The C ABI of Nepenthe's CPU library.
 *
 * The caller (Java) has validated every size, pointer, alias and option: no function here fails for a reason
 * that is the caller's, and none keeps a pointer after it returns. Floats are IEEE binary32, sizes and
 * indices 64-bit, matrices row-major, activations channels last. `threads` bounds the OpenMP team; no result
 * depends on it. A test parses this file and compares every prototype with its Java binding, so keep one
 * prototype a statement.
 */
#ifndef NEPENTHE_H
#define NEPENTHE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the library itself ----------------------------------------------------------------------------------
 */

/* The SHA-256 of this header as the library was built with it: writes at most `capacity` bytes of hexadecimal
 * text to `text`, no terminator, and returns the full length. */
int64_t nep_header_hash(uint8_t* text, int64_t capacity);

/* What was chosen and why: one "key=value" line each for isa, isa.supported, isa.cap, compiler, onednn,
 * threads. Same buffer convention as nep_header_hash. */
int64_t nep_describe(uint8_t* text, int64_t capacity);

/* ---- roof ------------------------------------------------------------------------------------------------
 */

/* Twelve independent chains of `steps` vector multiply-adds in the registers of each thread, at the chosen
 * level. Returns the operations done by all threads, a multiply-add counting two. */
int64_t nep_roof_multiply_add(int64_t steps, int32_t threads);

/* target[i] = source[i]: 2 * 4 bytes an element. The target is 64-byte aligned; its stores bypass the cache
 * (x86-64), so that no line of it is read first. */
void nep_roof_copy(float* target, const float* source, int64_t n, int32_t threads);

/* target[i] = a[i] + scale * b[i]: 3 * 4 bytes an element, two reads and a write that bypasses the cache as
 * in nep_roof_copy. */
void nep_roof_triad(float* target, const float* a, const float* b, float scale, int64_t n, int32_t threads);

/* ---- dampen ----------------------------------------------------------------------------------------------
 */

/* Selective synaptic dampening, in place: where forget[j] > alpha * reference[j] (strict),
 * weights[j] *= min(lambda * reference[j] / forget[j], upper). A non-finite importance selects nothing and is
 * counted. counts[0] selected, counts[1] set to zero, counts[2] non-finite importances;
 * magnitudes[0] sum of |w| before, [1] after, [2] sum of the factors of the selected weights, [3] largest
 * |change|. */
void nep_dampen(float* weights, const float* forget, const float* reference, int64_t n, float alpha,
                float lambda, float upper, uint64_t* counts, double* magnitudes, int32_t threads);

/* ---- accumulate ------------------------------------------------------------------------------------------
 */

/* Drift-free accumulation: for each of `terms` rows of n values, in order, rest[j] += f(values[t * n + j])
 * with f by `kind`: 0 the value, 1 its absolute value, 2 its square; whenever phase + t + 1 is a multiple of
 * 64, rest is folded into sum by TwoSum and keeps the rounding error. phase, in 0...63, is the number of rows
 * added before this call modulo 64. */
void nep_accumulate(float* sum, float* rest, const float* values, int64_t terms, int64_t n, int32_t kind,
                    int32_t phase, int32_t threads);
/* ---- squareGradients --------------------------------------------------------------------------------------
 */

/* The accumulators of these functions are drift-free sums: `sum` + `rest`, both of the parameter's shape;
 * `phase` is the number of samples already in `rest` (below 64); rest is folded into sum after every 64th.
 * The bits depend neither on `threads` nor on how a batch is split. */

/* The bytes of workspace that nep_square_gradients needs; independent of the number of samples. */
int64_t nep_square_gradients_workspace(const int64_t* sizes, int32_t threads);

/* sum + rest += sum over samples of the squared per-sample weight gradients of a convolution (or linear
 * layer). sizes: samples, height, width, channels, outHeight, outWidth, outChannels, kernelHeight,
 * kernelWidth, strideHeight, strideWidth, padTop, padLeft, dilationHeight, dilationWidth, groups. input
 * [samples, height, width, channels]; gradient [samples, outHeight, outWidth, outChannels]; sum, rest
 * [outChannels, kernelHeight, kernelWidth, channels / groups]. pairs: 0 squares each sample's product over
 * positions, 1 sums the products of pairs of positions (at most 8). */
void nep_square_gradients(const float* input, const float* gradient, const int64_t* sizes, int32_t phase,
                          int32_t pairs, float* sum, float* rest, float* workspace, int32_t threads);

/* The same for a bias: gradient [n, t, outputs], sum and rest [outputs]. */
void nep_square_vector_gradients_bias(const float* gradient, int64_t n, int64_t t, int64_t outputs,
                                      int32_t phase, float* sum, float* rest, int32_t threads);

/* The same for a normalisation's scale: normalised input and gradient [n, t, channels], sum and rest
 * [channels]. Its shift is a bias. */
void nep_square_vector_gradients_scale(const float* normalised, const float* gradient, int64_t n, int64_t t,
                                       int64_t channels, int32_t phase, float* sum, float* rest,
                                       int32_t threads);

/* The bytes of workspace that nep_square_vector_gradients_embedding needs. */
int64_t nep_square_vector_gradients_embedding_workspace(int64_t t, int32_t threads);

/* The same for an embedding: tokens [n, t] in -1 (padding) .. rows - 1, gradient [n, t, columns],
 * sum and rest [rows, columns]. */
void nep_square_vector_gradients_embedding(const int32_t* tokens, const float* gradient, int64_t n, int64_t t,
                                           int64_t rows, int64_t columns, int32_t phase, float* sum,
                                           float* rest, float* workspace, int32_t threads);

/* ---- select_top ------------------------------------------------------------------------------------------
 */

/* The exact top of |x| over several tensors, for up to 64 counts in one run: high for each tensor, cut, low
 * for each tensor, cut, write for each tensor, and trim where a cut splits ties. The key of x is its bits
 * without the sign, 31 of them. cuts holds four words a cut: how many values are wanted (set by the caller;
 * then how many of those in the cut's bin, or equal to its key), the bin (the key's upper 16 bits) and then
 * the key of the last value taken, the number of its histogram among the low ones, and how many values are in
 * the bin or equal to the key. */

/* Counts the upper 16 key bits into histograms, zeroed by the caller before the first tensor: 2 * threads of
 * 65,536 words; adds the number of NaNs to *invalid. */
void nep_select_top_high(const float* values, int64_t n, uint64_t* histograms, uint64_t* invalid,
                         int32_t threads);

/* Counts the lower 15 key bits of the values in the cuts' bins into histograms, zeroed by the caller before
 * the first tensor: threads * slots of 32,768 words, slots being the number of distinct bins of the cuts. */
void nep_select_top_low(const float* values, int64_t n, const uint64_t* cuts, int32_t count_of_cuts,
                        uint64_t* histograms, int32_t threads);

/* Finds each cut's bin (low 0) or key (low 1) from the histograms, which it overwrites; `threads` as it was
 * for high or low. */
void nep_select_top_cut(uint64_t* histograms, uint64_t* cuts, int32_t count_of_cuts, int32_t low,
                        int32_t threads);

/* Sets bit j of bits + r * stride (words) for every value whose key is at least that of cut r, and clears the
 * others up to the end of the last word. Where the cut splits ties, ties[b * count_of_cuts + r] becomes the
 * number of values of block b (65,536 values) equal to its key, otherwise 0. */
void nep_select_top_write(const float* values, int64_t n, const uint64_t* cuts, int32_t count_of_cuts,
                          uint64_t* bits, int64_t stride, uint64_t* ties, int32_t threads);

/* In each block b where keep[b * count_of_cuts + r] is not 2^64-1, clears the bits of the values equal to the
 * key of cut r, except for the first `keep` of them. */
void nep_select_top_trim(const float* values, int64_t n, const uint64_t* cuts, int32_t count_of_cuts,
                         uint64_t* bits, int64_t stride, const uint64_t* keep, int32_t threads);

#ifdef __cplusplus
}
#endif

#endif
