// Linear layers through oneDNN's matmul, on tiles of fixed size: y = x·Wᵀ + b, dx = dy·W, dW = dyᵀ·x.
#include <algorithm>

#include "onednn.h"

namespace nep {
namespace {

// Columns of the result (rows of dW) in a tile.
constexpr int64_t TILE = 128;

memory::desc matrix(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  return {{rows, columns}, memory::data_type::f32, memory::dims{row_stride, column_stride}};
}

enum Direction { FORWARD = 0, DATA = 1, WEIGHTS = 2 };
constexpr int32_t ADDED_DATA = 3;  // to what is there

class Linear final : public nep_primitive {
 public:
  Linear(Direction direction, bool adds, int64_t batch, int64_t inputs, int64_t outputs, bool bias,
         int threads)
      : direction_(direction),
        adds_(adds),
        batch_(batch),
        inputs_(inputs),
        outputs_(outputs),
        bias_(bias),
        threads_(team_for(2 * batch * inputs * outputs, threads)),
        split_(direction == DATA ? inputs : outputs),
        tiles_((split_ + TILE - 1) / TILE) {
    PlanFor one(1);
    for (const int64_t size : {std::min(TILE, split_), split_ - (tiles_ - 1) * TILE}) {
      auto& calls = whole_.empty() ? whole_ : last_;
      for (int thread = 0; thread < threads_; thread++) calls.push_back(tile(size));
    }
    const int64_t gradient = direction == WEIGHTS ? inputs * outputs : adds_ ? batch * inputs : 0;
    gradient_ = (gradient + 15) / 16 * 16;
    workspace = gradient_ + scratch_ * threads_;
  }

  void execute(const float* first, const float* second, const float* bias, float* out, float* bias_out,
               float* scratch, bool accumulate) override {
    const bool apart = adds_ || (direction_ == WEIGHTS && accumulate);
    float* result = apart ? scratch : out;
    share(tiles_, threads_, [&](int64_t index, int thread) {
      Call& one = (index == tiles_ - 1 ? last_ : whole_)[static_cast<size_t>(thread)];
      const int64_t at = index * TILE;
      switch (direction_) {
        case FORWARD:  // x, W
          one.set(DNNL_ARG_SRC, first);
          one.set(DNNL_ARG_WEIGHTS, second + at * inputs_);
          one.set(DNNL_ARG_DST, result + at);
          if (bias_) one.set(DNNL_ARG_BIAS, bias + at);
          break;
        case DATA:  // dy, W
          one.set(DNNL_ARG_SRC, first);
          one.set(DNNL_ARG_WEIGHTS, second + at);
          one.set(DNNL_ARG_DST, result + at);
          break;
        case WEIGHTS:  // x, dy
          one.set(DNNL_ARG_SRC, second + at);
          one.set(DNNL_ARG_WEIGHTS, first);
          one.set(DNNL_ARG_DST, result + at * inputs_);
          break;
      }
      one.set(DNNL_ARG_SCRATCHPAD, scratch + gradient_ + thread * scratch_);
      one.run();
    });
    if (apart) {
      const int64_t n = (adds_ ? batch_ : outputs_) * inputs_;
      sum_parts(result, 1, 0, out, n, true, threads_);
    }
    if (direction_ == WEIGHTS && bias_) sum_rows(second, batch_, outputs_, bias_out, accumulate);
  }

 private:
  Call tile(int64_t size) {
    memory::desc a, b, c;
    switch (direction_) {
      case FORWARD:
        a = matrix(batch_, inputs_, inputs_, 1);
        b = matrix(inputs_, size, 1, inputs_);
        c = matrix(batch_, size, outputs_, 1);
        break;
      case DATA:
        a = matrix(batch_, outputs_, outputs_, 1);
        b = matrix(outputs_, size, inputs_, 1);
        c = matrix(batch_, size, inputs_, 1);
        break;
      case WEIGHTS:
        a = matrix(size, batch_, 1, outputs_);
        b = matrix(batch_, inputs_, inputs_, 1);
        c = matrix(size, inputs_, inputs_, 1);
        break;
    }
    const bool biased = bias_ && direction_ == FORWARD;
    const memory::desc bias = biased ? matrix(1, size, size, 1) : memory::desc();
    const dnnl::matmul::primitive_desc plan =
        biased ? dnnl::matmul::primitive_desc(engine(), a, b, bias, c, user_scratchpad())
               : dnnl::matmul::primitive_desc(engine(), a, b, c, user_scratchpad());
    if (implementations.find(plan.impl_info_str()) == std::string::npos) {
      implementations += std::string(implementations.empty() ? "" : ",") + plan.impl_info_str();
    }
    scratch_ = std::max(scratch_, floats(plan.scratchpad_desc()));
    Call result = call(dnnl::matmul(plan), {{DNNL_ARG_SRC, a},
                                            {DNNL_ARG_WEIGHTS, b},
                                            {DNNL_ARG_DST, c},
                                            {DNNL_ARG_SCRATCHPAD, plan.scratchpad_desc()}});
    if (biased) result.arguments.emplace(DNNL_ARG_BIAS, placed(bias));
    return result;
  }

  Direction direction_;
  bool adds_;
  int64_t batch_, inputs_, outputs_;
  bool bias_;
  int threads_;
  int64_t split_, tiles_, gradient_ = 0, scratch_ = 0;
  std::vector<Call> whole_, last_;
};

}  // namespace

nep_primitive* plan_linear(int32_t direction, int64_t batch, int64_t inputs, int64_t outputs, bool bias,
                           int threads) {
  const bool adds = direction == ADDED_DATA;
  return new Linear(adds ? DATA : static_cast<Direction>(direction), adds, batch, inputs, outputs, bias,
                    threads);
}

}  // namespace nep
