// Formula: g = gradient·scale + decay·w; m₁, m₂ moments; w = w·shrink - rate·(m₁/(√m₂/root + ε));
//          unselected: m = 0 (MaskedAdam.java).
// Layout:  weights, first, second, gradient [n], 4-byte aligned; mask: bit j % 64 of word j / 64, or null
//          for all.
// Threads: four neighbouring weights a thread, 16 bytes a load, in a loop over the grid; four bits of a
//          word of the mask.
// Cost:    16 bytes read, 12 written and a bit; 17 operations a weight: bound by memory.
// Sums:    float32, elementwise, products rounded before sums, division and root rounded correctly: the
//          same bits as in Java.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace masked_adam {

struct Options {
  float keep1, add1, keep2, add2, rate, root, epsilon, decay, shrink, scale;
};

__device__ __forceinline__ void step(float& weight, float& first, float& second, float gradient, bool moves,
                                     const Options& o) {
  if (!moves) {
    first = 0;
    second = 0;
    return;
  }
  const float g = gradient * o.scale + o.decay * weight;
  first = o.keep1 * first + o.add1 * g;
  second = o.keep2 * second + o.add2 * (g * g);
  const float spread = __fsqrt_rn(second) / o.root + o.epsilon;
  weight = weight * o.shrink - o.rate * (first / spread);
}

}  // namespace masked_adam

// Obviously right: a thread a weight.
KERNEL(256, nep_masked_adam_plain,
       (float* weights, float* first, float* second, const float* gradient, const unsigned long long* mask,
        int64_t n, float keep1, float add1, float keep2, float add2, float rate, float root, float epsilon,
        float decay, float shrink, float scale)) {
  const int64_t j = grid_thread();
  if (j >= n) return;
  const bool moves = mask == nullptr || (mask[j / 64] >> (j % 64) & 1) != 0;
  masked_adam::step(weights[j], first[j], second[j], gradient[j], moves,
                    {keep1, add1, keep2, add2, rate, root, epsilon, decay, shrink, scale});
}

KERNEL(256, nep_masked_adam,
       (float* weights, float* first, float* second, const float* gradient, const unsigned long long* mask,
        int64_t n, float keep1, float add1, float keep2, float add2, float rate, float root, float epsilon,
        float decay, float shrink, float scale)) {
  const masked_adam::Options o = {keep1, add1, keep2, add2, rate, root, epsilon, decay, shrink, scale};
  const bool aligned = aligned16(weights) && aligned16(first) && aligned16(second) && aligned16(gradient);
  for (int64_t j = grid_thread() * 4; j < n; j += grid_threads() * 4) {
    const unsigned bits = mask == nullptr ? 15u : static_cast<unsigned>(mask[j / 64] >> (j % 64) & 15);
    const float4 g = load4(gradient + j, n - j, aligned);
    float4 w = load4(weights + j, n - j, aligned), a = load4(first + j, n - j, aligned),
           b = load4(second + j, n - j, aligned);
    masked_adam::step(w.x, a.x, b.x, g.x, (bits & 1) != 0, o);
    masked_adam::step(w.y, a.y, b.y, g.y, (bits & 2) != 0, o);
    masked_adam::step(w.z, a.z, b.z, g.z, (bits & 4) != 0, o);
    masked_adam::step(w.w, a.w, b.w, g.w, (bits & 8) != 0, o);
    store4(weights + j, w, n - j, aligned);
    store4(first + j, a, n - j, aligned);
    store4(second + j, b, n - j, aligned);
  }
}
