// Stochastic gradient descent in one sweep: three reads, two writes, and a bit of mask.
#include "reduce.h"

namespace NEP_NAMESPACE {
namespace {

struct Options {
  float learning_rate, momentum, weight_decay, scale;
  bool nesterov;
};

// One vector; every product is rounded before it is added, as in Java.
inline void step(vfloat* weight, vfloat* velocity, vfloat gradient, vint moves, Options o) {
  const vfloat zero{};
  const vfloat scaled = gradient * o.scale, decay = o.weight_decay * *weight;
  const vfloat d = scaled + decay;
  const vfloat kept = o.momentum * *velocity;
  const vfloat v = kept + d;
  const vfloat ahead = o.momentum * v;
  const vfloat direction = o.nesterov ? d + ahead : v;
  const vfloat change = o.learning_rate * direction;
  *weight = moves ? *weight - change : *weight;
  *velocity = moves ? v : zero;
}

// Up to 64 values, whose bits are one word of the mask.
inline void word(float* weights, float* velocity, const float* gradient, int64_t n, uint64_t bits,
                 Options o) {
  int64_t at = 0;
  for (; at + WIDTH <= n; at += WIDTH) {
    vfloat w = load(weights + at), v = load(velocity + at);
    step(&w, &v, load(gradient + at), bit_lanes(bits >> at), o);
    store(weights + at, w);
    store(velocity + at, v);
  }
  if (at == n) return;
  float tail[3][WIDTH] = {};
  for (int64_t l = 0; l < n - at; l++) {
    tail[0][l] = weights[at + l];
    tail[1][l] = velocity[at + l];
    tail[2][l] = gradient[at + l];
  }
  vfloat w = load(tail[0]), v = load(tail[1]);
  step(&w, &v, load(tail[2]), bit_lanes(bits >> at), o);
  for (int64_t l = 0; l < n - at; l++) {
    weights[at + l] = w[l];
    velocity[at + l] = v[l];
  }
}

}  // namespace

void masked_sgd(float* weights, float* velocity, const float* gradient, const uint64_t* mask, int64_t n,
                float learning_rate, float momentum, float weight_decay, float scale, int32_t nesterov,
                int32_t threads) {
  const Options options = {learning_rate, momentum, weight_decay, scale, nesterov != 0};
  const int64_t words = (n + LANES - 1) / LANES;
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 4 * CHUNK)
  for (int64_t i = 0; i < words; i++) {
    const int64_t at = i * LANES, size = n - at < LANES ? n - at : LANES;
    word(weights + at, velocity + at, gradient + at, size, mask == nullptr ? UINT64_MAX : mask[i], options);
  }
}

}  // namespace NEP_NAMESPACE
