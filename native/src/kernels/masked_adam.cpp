// Adam in one sweep: four reads, three writes, and a bit of mask.
#include "reduce.h"

namespace NEP_NAMESPACE {
namespace {

struct Options {
  float keep1, add1, keep2, add2, rate, root, epsilon, decay, shrink, scale;
};

struct State {
  vfloat weight, first, second;
};

// One vector; every product is rounded before it is added, as in Java.
inline void step(State* s, vfloat gradient, vint moves, Options o) {
  const vfloat zero{};
  const vfloat scaled = gradient * o.scale, decay = o.decay * s->weight;
  const vfloat g = scaled + decay, square = g * g;
  const vfloat old1 = o.keep1 * s->first, new1 = o.add1 * g, first = old1 + new1;
  const vfloat old2 = o.keep2 * s->second, new2 = o.add2 * square, second = old2 + new2;
  const vfloat spread = square_root(second) / o.root + o.epsilon;
  const vfloat change = o.rate * (first / spread), shrunk = s->weight * o.shrink;
  s->weight = moves ? shrunk - change : s->weight;
  s->first = moves ? first : zero;
  s->second = moves ? second : zero;
}

// Up to 64 values, whose bits are one word of the mask.
inline void word(float* weights, float* first, float* second, const float* gradient, int64_t n, uint64_t bits,
                 Options o) {
  int64_t at = 0;
  for (; at + WIDTH <= n; at += WIDTH) {
    State s = {load(weights + at), load(first + at), load(second + at)};
    step(&s, load(gradient + at), bit_lanes(bits >> at), o);
    store(weights + at, s.weight);
    store(first + at, s.first);
    store(second + at, s.second);
  }
  if (at == n) return;
  float tail[4][WIDTH] = {};
  for (int64_t l = 0; l < n - at; l++) {
    tail[0][l] = weights[at + l];
    tail[1][l] = first[at + l];
    tail[2][l] = second[at + l];
    tail[3][l] = gradient[at + l];
  }
  State s = {load(tail[0]), load(tail[1]), load(tail[2])};
  step(&s, load(tail[3]), bit_lanes(bits >> at), o);
  for (int64_t l = 0; l < n - at; l++) {
    weights[at + l] = s.weight[l];
    first[at + l] = s.first[l];
    second[at + l] = s.second[l];
  }
}

}  // namespace

void masked_adam(float* weights, float* first, float* second, const float* gradient, const uint64_t* mask,
                 int64_t n, float keep1, float add1, float keep2, float add2, float rate, float root,
                 float epsilon, float decay, float shrink, float scale, int32_t threads) {
  const Options options = {keep1, add1, keep2, add2, rate, root, epsilon, decay, shrink, scale};
  const int64_t words = (n + LANES - 1) / LANES;
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 4 * CHUNK)
  for (int64_t i = 0; i < words; i++) {
    const int64_t at = i * LANES, size = n - at < LANES ? n - at : LANES;
    word(weights + at, first + at, second + at, gradient + at, size, mask == nullptr ? UINT64_MAX : mask[i],
         options);
  }
}

}  // namespace NEP_NAMESPACE
