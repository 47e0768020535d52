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

/* How many threads, up to `wanted` and the calling one among them, the system lets this process run at once:
 * they are started, and ended. OpenMP ends the process where it cannot start one of a team. */
int32_t nep_startable_threads(int32_t wanted);

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
int64_t nep_square_vector_gradients_embedding_workspace(int64_t t, int64_t rows, int32_t threads);

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

/* ---- planned dense primitives (oneDNN) --------------------------------------------------------------------
 */

/* One oneDNN operation planned for fixed sizes, used by one thread at a time. Planning and execution can fail
 * for reasons of oneDNN's; nep_last_error then tells the calling thread why, in the buffer convention of
 * nep_header_hash. */
struct nep_primitive;
int64_t nep_last_error(uint8_t* text, int64_t capacity);

/* Plans a convolution; NULL on failure. geometry: batch, height, width, inputs, outputs, kernel height and
 * width, stride, dilation (1 is dense), padding top, left, bottom, right, groups. direction 0 forward (x,
 * weights, bias) -> y; 1 gradient of the input (dy, weights, -) -> dx; 2 gradient of the parameters (x, dy,
 * -) -> (dweights, dbias); 3 as 1, added to dx. Activations are N·H·W·C, weights O·KH·KW·(I/groups). */
struct nep_primitive* nep_plan_convolution(int32_t direction, const int64_t* geometry, int32_t bias,
                                           int32_t threads);

/* Plans y = x·Wᵀ + b with W outputs × inputs; directions and arguments as for the convolution. */
struct nep_primitive* nep_plan_linear(int32_t direction, int64_t batch, int64_t inputs, int64_t outputs,
                                      int32_t bias, int32_t threads);

/* The floats of workspace that an execution needs, aligned to 64 bytes. */
int64_t nep_primitive_workspace(struct nep_primitive* primitive);

/* The names of the implementations that oneDNN chose, comma-separated. */
int64_t nep_primitive_describe(struct nep_primitive* primitive, uint8_t* text, int64_t capacity);

/* Runs it; 0 on success. Arguments that the direction lacks are NULL. accumulate: direction 2 adds to its
 * outputs instead of overwriting them. */
int32_t nep_primitive_execute(struct nep_primitive* primitive, const float* first, const float* second,
                              const float* third, float* output, float* second_output, float* workspace,
                              int32_t accumulate);

void nep_primitive_destroy(struct nep_primitive* primitive);

/* ---- activations, sums ------------------------------------------------------------------------------------
 */

/* y = max(x, 0); x may be y. */
void nep_relu(const float* x, float* y, int64_t n, int32_t threads);

/* dx = y > 0 ? dy : 0; dy may be dx. */
void nep_relu_gradient(const float* y, const float* dy, float* dx, int64_t n, int32_t threads);

/* y = x > 0 ? x : alpha·(exp(x/alpha) - 1); x may be y. */
void nep_celu(const float* x, float* y, int64_t n, float alpha, int32_t threads);

/* dx = y > 0 ? dy : dy·(y/alpha + 1); dy may be dx. */
void nep_celu_gradient(const float* y, const float* dy, float* dx, int64_t n, float alpha, int32_t threads);

/* out = a + b; out may be a. */
void nep_add(const float* a, const float* b, float* out, int64_t n, int32_t threads);

/* values[r * n + i] *= weights[i]. */
void nep_multiply_rows(float* values, const float* weights, int64_t rows, int64_t n, int32_t threads);

/* y[i] = x[i]·scale where the i-th draw of the stream `key` is at least `threshold`/2^32, else 0; x may be y.
 */
void nep_dropout(const float* x, float* y, int64_t n, int64_t key, int64_t threshold, float scale,
                 int32_t threads);

/* ---- pooling ----------------------------------------------------------------------------------------------
 */

/* geometry: batch, height, width, channels, kernel height and width, stride, dilation, padding top, left,
 * bottom, right. Padding never wins a maximum. */
void nep_max_pool(const float* x, float* y, const int64_t* geometry, int32_t threads);

/* The gradient goes to the first position of each window, row by row, that holds its maximum. */
void nep_max_pool_gradient(const float* x, const float* y, const float* dy, float* dx,
                           const int64_t* geometry, int32_t threads);

/* The mean of each window: of its positions within the image, or of all with padding_counts. */
void nep_average_pool(const float* x, float* y, const int64_t* geometry, int32_t padding_counts,
                      int32_t threads);

void nep_average_pool_gradient(const float* dy, float* dx, const int64_t* geometry, int32_t padding_counts,
                               int32_t threads);

/* ---- padding ----------------------------------------------------------------------------------------------
 */

/* geometry: batch, height, width, channels, padding top, left, bottom, right, mode. Modes: 0 holds the value,
 * 1 is mirrored at the outermost position and less than a side, 2 repeats the nearest, 3 the other end and at
 * most a side. */
void nep_pad(const float* x, float* y, const int64_t* geometry, float value, int32_t threads);

/* dx = the sums of dy over the positions that repeat one. */
void nep_pad_gradient(const float* dy, float* dx, const int64_t* geometry, int32_t threads);

/* ---- batch normalisation ----------------------------------------------------------------------------------
 */

/* Mean and biased variance of each channel over the rows. workspace: 64·channels doubles. */
void nep_batch_norm_statistics(const float* x, int64_t rows, int64_t channels, float* mean, float* variance,
                               double* workspace, int32_t threads);

/* normalised = (x - mean) / sqrt(variance + epsilon), y = normalised·scale + shift. x may be normalised or y;
 * one of normalised and y may be NULL. */
void nep_batch_norm(const float* x, const float* mean, const float* variance, const float* scale,
                    const float* shift, float epsilon, float* normalised, float* y, int64_t rows,
                    int64_t channels, int32_t threads);

/* dscale (+)= sum dy·normalised, dshift (+)= sum dy over the rows. workspace: 128·channels doubles. */
void nep_batch_norm_sums(const float* normalised, const float* dy, int64_t rows, int64_t channels,
                         float* dscale, float* dshift, int32_t accumulate, double* workspace,
                         int32_t threads);

/* dx = scale / sqrt(variance + epsilon)·(dy - dshift/rows - normalised·dscale/rows), with the sums above;
 * with frozen statistics the two means are left out. dy may be dx. */
void nep_batch_norm_gradient(const float* normalised, const float* dy, const float* variance,
                             const float* scale, float epsilon, const float* dscale, const float* dshift,
                             int32_t frozen, float* dx, int64_t rows, int64_t channels, int32_t threads);

/* ---- batch_norm_relu
 * ---------------------------------------------------------------------------------------
 */

/* y = max((x - mean) / sqrt(variance + epsilon)·scale + shift + residual, 0), NaN of NaN: the bits of
 * nep_batch_norm, nep_add and nep_relu. residual may be NULL; x and residual may be y. */
void nep_batch_norm_relu(const float* x, const float* residual, const float* mean, const float* variance,
                         const float* scale, const float* shift, float epsilon, float* y, int64_t rows,
                         int64_t channels, int32_t threads);

/* With g = 0 where y <= 0, else dy: residual = g, dx = g·(scale / sqrt(variance + epsilon)), and for every
 * sample by_scale = sum g·(x - mean) / sqrt(variance + epsilon), by_shift = sum g over its positions. y may
 * be NULL where no residual was added: it is computed again; residual may be NULL. dy may be dx or residual.
 */
void nep_batch_norm_relu_gradient(const float* x, const float* y, const float* dy, const float* mean,
                                  const float* variance, const float* scale, const float* shift,
                                  float epsilon, float* dx, float* residual, float* by_scale, float* by_shift,
                                  int64_t samples, int64_t positions, int64_t channels, int32_t threads);

/* The same of a residual that is normalised, too: its normalisation's values are added. x and residual may be
 * y. */
void nep_batch_norm_relu_pair(const float* x, const float* mean, const float* variance, const float* scale,
                              const float* shift, float epsilon, const float* residual,
                              const float* residual_mean, const float* residual_variance,
                              const float* residual_scale, const float* residual_shift,
                              float residual_epsilon, float* y, int64_t rows, int64_t channels,
                              int32_t threads);

/* Its gradient: dx and dresidual = g times the factor of each, by_scale and by_residual_scale for every
 * sample the sums of g times each's normalised values, by_shift those of g, which are both's. dy may be dx or
 * dresidual. */
void nep_batch_norm_relu_pair_gradient(const float* x, const float* mean, const float* variance,
                                       const float* scale, const float* shift, float epsilon,
                                       const float* residual, const float* residual_mean,
                                       const float* residual_variance, const float* residual_scale,
                                       const float* residual_shift, float residual_epsilon, const float* y,
                                       const float* dy, float* dx, float* dresidual, float* by_scale,
                                       float* by_residual_scale, float* by_shift, int64_t samples,
                                       int64_t positions, int64_t channels, int32_t threads);

/* ---- masked_sgd ------------------------------------------------------------------------------------------
 */

/* One step of stochastic gradient descent, in place, where bit j of mask is set (everywhere if mask is NULL):
 * d = gradient * scale + weight_decay * weight; velocity = momentum * velocity + d;
 * weight -= learning_rate * (nesterov ? d + momentum * velocity : velocity). Elsewhere the weight keeps its
 * bits and the velocity becomes 0. */
void nep_masked_sgd(float* weights, float* velocity, const float* gradient, const uint64_t* mask, int64_t n,
                    float learning_rate, float momentum, float weight_decay, float scale, int32_t nesterov,
                    int32_t threads);

/* ---- masked_adam -----------------------------------------------------------------------------------------
 */

/* One step of Adam, in place, where bit j of mask is set (everywhere if mask is NULL):
 * g = gradient * scale + decay * weight; first = keep1 * first + add1 * g; second = keep2 * second + add2 *
 * (g * g); weight = weight * shrink - rate * (first / (sqrt(second) / root + epsilon)). Elsewhere the weight
 * keeps its bits and the moments become 0. */
void nep_masked_adam(float* weights, float* first, float* second, const float* gradient, const uint64_t* mask,
                     int64_t n, float keep1, float add1, float keep2, float add2, float rate, float root,
                     float epsilon, float decay, float shrink, float scale, int32_t threads);

/* ---- covariance ------------------------------------------------------------------------------------------
 */

/* sizes, in this and the next sections, are those of nep_square_gradients. The unfolded input of sample n is
 * a[t], its window's kernelHeight x kernelWidth x channels / groups values and, where bias is not 0, a
 * constant 1 as the last feature. */

int64_t nep_covariance_workspace(const int64_t* sizes, int32_t bias, int32_t threads);

/* sum + rest += sum over samples and positions of a[t] a[t]', drift-free as in nep_square_gradients: [groups,
 * features, features], of which only the half on and above the diagonal is meant. mask [samples, positions]
 * or NULL: positions with 0 are left out. sharing: 0 each position on its own; 1 and 2, a sample's one row is
 * the mean or the sum of its positions. outChannels is not used. */
void nep_covariance(const float* input, const uint8_t* mask, const int64_t* sizes, int32_t bias,
                    int32_t sharing, int32_t phase, float* sum, float* rest, float* workspace,
                    int32_t threads);

/* ---- sample_gradients ------------------------------------------------------------------------------------
 */

int64_t nep_sample_gradients_workspace(const int64_t* sizes, int32_t threads);

/* out[n] = sum over t of g[t] a[t]', [samples, outChannels, features]. */
void nep_sample_gradients(const float* input, const float* gradient, const int64_t* sizes, int32_t bias,
                          float* out, float* workspace, int32_t threads);

/* The same for a normalisation: out[n, 0, c] = sum over t of g[n, t, c] normalised[n, t, c], for the scale,
 * and out[n, 1, c] = sum over t of g[n, t, c], for the shift; float64, positions in order, rounded once. */
void nep_sample_gradients_normalisation(const float* normalised, const float* gradient, int64_t n, int64_t t,
                                        int64_t channels, float* out, int32_t threads);

/* ---- self_scores -----------------------------------------------------------------------------------------
 */

int64_t nep_self_scores_workspace(const int64_t* sizes, int32_t threads);

/* scores[n] = sum over o, j of weights[o, j] * (sum over t of g[t, o] a[t, j])^2, no bias feature. squares,
 * for one position: the sum of g^2 weights a^2, as a matrix product. */
void nep_self_scores(const float* input, const float* gradient, const int64_t* sizes, const float* weights,
                     int32_t squares, float* scores, float* workspace, int32_t threads);

/* scores[n] = sum over i of weights[i] * gradients[n, i]^2. */
void nep_self_scores_gradients(const float* gradients, const float* weights, int64_t samples, int64_t size,
                               float* scores, int32_t threads);

/* ---- pair_scores -----------------------------------------------------------------------------------------
 */

int64_t nep_pair_scores_workspace(const int64_t* sizes, int32_t bias, int64_t queries, int32_t threads);

/* Floats of count queries [groups * outputs, features] as nep_pair_scores reads them for a layer of one
 * position, or of several. */
int64_t nep_pair_scores_packed(int64_t count, int64_t positions, int64_t groups, int64_t outputs,
                               int64_t features);

/* Writes them in that form, which no other machine need have. */
void nep_pair_scores_pack(const float* queries, int64_t count, int64_t positions, int64_t groups,
                          int64_t outputs, int64_t features, float* packed, int32_t threads);

/* scores[q, n] = sum over o, j of queries[q, o, j] * sum over t of g[t, o] a[t, j]; queries packed. */
void nep_pair_scores(const float* input, const float* gradient, const int64_t* sizes, int32_t bias,
                     const float* queries, int64_t count, float* scores, float* workspace, int32_t threads);

/* scores[q, n] = sum over t, r of left[n, t, q, r] * right[n, t, q, r]. */
void nep_pair_scores_factored(const float* left, const float* right, int64_t samples, int64_t positions,
                              int64_t queries, int64_t rank, float* scores, int32_t threads);

/* ---- philox ----------------------------------------------------------------------------------------------
 */

/* Words i of Philox4x32-10 with this key: two of each counter first, first + 1, ..., whose upper half is
 * stream. */
void nep_philox(uint64_t* out, int64_t n, int64_t key, int64_t stream, int64_t first, int32_t threads);

#ifdef __cplusplus
}
#endif

#endif
