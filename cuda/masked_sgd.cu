// Formula: d = gradient·scale + decay·w; v = momentum·v + d; w -= rate·(nesterov ? d + momentum·v : v);
//          unselected: v = 0 (MaskedSgd.java).
// Layout:  weights, velocity, gradient [n], 4-byte aligned; mask: bit j % 64 of word j / 64, or null for
//          all.
// Threads: four neighbouring weights a thread, 16 bytes a load, in a loop over the grid; four bits of a
//          word of the mask.
// Cost:    12 bytes read, 8 written and a bit; 9 operations a weight: bound by memory.
// Sums:    float32, elementwise, products rounded before sums: the same bits as in Java.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace masked_sgd {

struct Options {
  float rate, momentum, decay, scale;
  bool nesterov;
};

__device__ __forceinline__ void step(float& weight, float& velocity, float gradient, bool moves,
                                     const Options& o) {
  if (!moves) {
    velocity = 0;
    return;
  }
  const float d = gradient * o.scale + o.decay * weight;
  const float v = o.momentum * velocity + d;
  const float direction = o.nesterov ? d + o.momentum * v : v;
  weight = weight - o.rate * direction;
  velocity = v;
}

}  // namespace masked_sgd

// Obviously right: a thread a weight.
KERNEL(256, nep_masked_sgd_plain,
       (float* weights, float* velocity, const float* gradient, const unsigned long long* mask, int64_t n,
        float rate, float momentum, float decay, float scale, int nesterov)) {
  const int64_t j = grid_thread();
  if (j >= n) return;
  const bool moves = mask == nullptr || (mask[j / 64] >> (j % 64) & 1) != 0;
  masked_sgd::step(weights[j], velocity[j], gradient[j], moves,
                   {rate, momentum, decay, scale, nesterov != 0});
}

KERNEL(256, nep_masked_sgd,
       (float* weights, float* velocity, const float* gradient, const unsigned long long* mask, int64_t n,
        float rate, float momentum, float decay, float scale, int nesterov)) {
  const masked_sgd::Options o = {rate, momentum, decay, scale, nesterov != 0};
  const bool aligned = aligned16(weights) && aligned16(velocity) && aligned16(gradient);
  for (int64_t j = grid_thread() * 4; j < n; j += grid_threads() * 4) {
    const unsigned bits = mask == nullptr ? 15u : static_cast<unsigned>(mask[j / 64] >> (j % 64) & 15);
    const float4 g = load4(gradient + j, n - j, aligned);
    float4 w = load4(weights + j, n - j, aligned), v = load4(velocity + j, n - j, aligned);
    masked_sgd::step(w.x, v.x, g.x, (bits & 1) != 0, o);
    masked_sgd::step(w.y, v.y, g.y, (bits & 2) != 0, o);
    masked_sgd::step(w.z, v.z, g.z, (bits & 4) != 0, o);
    masked_sgd::step(w.w, v.w, g.w, (bits & 8) != 0, o);
    store4(weights + j, w, n - j, aligned);
    store4(velocity + j, v, n - j, aligned);
  }
}
