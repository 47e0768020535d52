// Convolution through oneDNN: forward, and the gradients with respect to the input and to the weights.
// Activations are N·H·W·C, weights O·KH·KW·(I/groups), gradients of the same layouts.
#include <algorithm>
#include <cstring>

#include "onednn.h"

namespace nep {
namespace {

using dnnl::algorithm;
using tag = memory::format_tag;

// Forward and input-gradient work is shared out in at most this many runs of images.
constexpr int64_t RUNS = 16;
// Weight gradients above this many floats are split by output channel, below it by image: a part of the batch
// needs a whole weight gradient of its own, a part of the channels does not.
constexpr int64_t LARGE_WEIGHTS = 1 << 18;
constexpr int64_t CHANNEL_PART = 64;

struct Geometry {
  int64_t batch, height, width, inputs, outputs;
  int64_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width;
  int64_t top, left, bottom, right, groups;

  static int64_t extent(int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride,
                        int64_t dilation) {
    return (size + before + after - dilation * (kernel - 1) - 1) / stride + 1;
  }
  int64_t out_height() const {
    return extent(height, top, bottom, kernel_height, stride_height, dilation_height);
  }
  int64_t out_width() const { return extent(width, left, right, kernel_width, stride_width, dilation_width); }
  int64_t in_image() const { return height * width * inputs; }
  int64_t positions() const { return out_height() * out_width(); }
  int64_t out_image() const { return positions() * outputs; }
  int64_t weights() const { return outputs * kernel_height * kernel_width * (inputs / groups); }

  int64_t flops() const { return 2 * batch * positions() * weights(); }

  memory::desc source() const { return {{batch, inputs, height, width}, memory::data_type::f32, tag::nhwc}; }
  memory::desc target() const {
    return {{batch, outputs, out_height(), out_width()}, memory::data_type::f32, tag::nhwc};
  }
  memory::desc bias() const { return {{outputs}, memory::data_type::f32, tag::a}; }
  memory::desc kernel(bool plain) const {
    if (groups == 1) {
      return {{outputs, inputs, kernel_height, kernel_width},
              memory::data_type::f32,
              plain ? tag::ohwi : tag::any};
    }
    return {{groups, outputs / groups, inputs / groups, kernel_height, kernel_width},
            memory::data_type::f32,
            plain ? tag::gohwi : tag::any};
  }
  memory::dims strides() const { return {stride_height, stride_width}; }
  memory::dims dilations() const { return {dilation_height - 1, dilation_width - 1}; }
  memory::dims before() const { return {top, left}; }
  memory::dims after() const { return {bottom, right}; }
};

Geometry parse(const int64_t* g) {
  return {g[0], g[1], g[2],  g[3],  g[4],  g[5],  g[6],  g[7],
          g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]};
}

Geometry with_batch(Geometry g, int64_t batch) {
  g.batch = batch;
  return g;
}

dnnl::convolution_forward::primitive_desc plan_forward(const Geometry& g, bool bias,
                                                       const memory::desc& weights) {
  return {engine(),
          dnnl::prop_kind::forward_training,
          algorithm::convolution_direct,
          g.source(),
          weights,
          bias ? g.bias() : memory::desc(),
          g.target(),
          g.strides(),
          g.dilations(),
          g.before(),
          g.after(),
          user_scratchpad()};
}

dnnl::convolution_backward_data::primitive_desc plan_data(const Geometry& g, const memory::desc& weights) {
  return {engine(),         algorithm::convolution_direct,
          g.source(),       weights,
          g.target(),       g.strides(),
          g.dilations(),    g.before(),
          g.after(),        plan_forward(g, false, g.kernel(false)),
          user_scratchpad()};
}

dnnl::convolution_backward_weights::primitive_desc plan_weights(const Geometry& g) {
  return {engine(),         algorithm::convolution_direct,
          g.source(),       g.kernel(false),
          g.target(),       g.strides(),
          g.dilations(),    g.before(),
          g.after(),        plan_forward(g, false, g.kernel(false)),
          user_scratchpad()};
}

// The pieces [first, first + size) of a batch: all of one size but the last, and calls for each thread.
struct Runs {
  int64_t count, size, rest;
  Runs(int64_t batch, int64_t most) : count(0), size((batch + most - 1) / most), rest(0) {
    count = (batch + size - 1) / size;
    rest = batch - (count - 1) * size;
  }
  int64_t length(int64_t run) const { return run == count - 1 ? rest : size; }
};

// Forward, or the gradient with respect to the input: reorders the weights, then maps images to images. A
// gradient that is added is made run by run, and goes into the output from a nearer cache.
class PerImage final : public nep_primitive {
 public:
  PerImage(const Geometry& g, bool forward, bool adds, bool bias, int threads)
      : forward_(forward),
        adds_(adds),
        bias_(bias),
        threads_(team_for(g.flops(), threads)),
        runs_(g.batch, RUNS),
        from_(forward ? g.in_image() : g.out_image()),
        to_(forward ? g.out_image() : g.in_image()) {
    PlanFor one(1);
    memory::desc blocked = g.kernel(false);
    for (const int64_t size : {runs_.size, runs_.rest}) {
      const Geometry piece = with_batch(g, size);
      if (forward) {
        const auto plan = plan_forward(piece, bias, blocked);
        blocked = plan.weights_desc();
        add(dnnl::convolution_forward(plan), plan, DNNL_ARG_SRC, piece.source(), DNNL_ARG_DST, piece.target(),
            g, blocked);
      } else {
        const auto plan = plan_data(piece, blocked);
        blocked = plan.weights_desc();
        add(dnnl::convolution_backward_data(plan), plan, DNNL_ARG_DIFF_DST, piece.target(), DNNL_ARG_DIFF_SRC,
            piece.source(), g, blocked);
      }
    }
    reorder_.emplace_back(g.kernel(true), blocked, threads_);
    packed_ = floats(blocked);
    scratch_ = std::max(scratch_, reorder_[0].workspace());
    added_ = adds ? (runs_.size * to_ + 15) / 16 * 16 : 0;
    workspace = packed_ + (scratch_ + added_) * threads_;
  }

  void execute(const float* input, const float* weights, const float* bias, float* output, float*,
               float* scratch, bool) override {
    float* packed = scratch;
    {
      PlanFor team(threads_);
      reorder_[0].run(weights, packed, scratch + packed_);
    }
    share(runs_.count, threads_, [&](int64_t run, int thread) {
      Call& one = (run == runs_.count - 1 ? last_ : whole_)[static_cast<size_t>(thread)];
      float* mine = scratch + packed_ + thread * (scratch_ + added_);
      float* target = output + run * runs_.size * to_;
      float* result = adds_ ? mine + scratch_ : target;
      one.set(forward_ ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, input + run * runs_.size * from_);
      one.set(DNNL_ARG_WEIGHTS, packed);
      one.set(forward_ ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, result);
      one.set(DNNL_ARG_SCRATCHPAD, mine);
      if (bias_) one.set(DNNL_ARG_BIAS, bias);
      one.run();
      if (adds_) add_to(target, result, runs_.length(run) * to_);
    });
  }

 private:
  template <typename Primitive, typename Plan>
  void add(const Primitive& primitive, const Plan& plan, int from, const memory::desc& from_desc, int to,
           const memory::desc& to_desc, const Geometry& g, const memory::desc& blocked) {
    scratch_ = std::max(scratch_, floats(plan.scratchpad_desc()));
    implementations += std::string(implementations.empty() ? "" : ",") + plan.impl_info_str();
    auto& calls = whole_.empty() ? whole_ : last_;
    for (int thread = 0; thread < threads_; thread++) {
      calls.push_back(call(primitive, {{from, from_desc},
                                       {DNNL_ARG_WEIGHTS, blocked},
                                       {to, to_desc},
                                       {DNNL_ARG_SCRATCHPAD, plan.scratchpad_desc()}}));
      if (bias_) calls.back().arguments.emplace(DNNL_ARG_BIAS, placed(g.bias()));
    }
  }

  bool forward_, adds_, bias_;
  int threads_;
  Runs runs_;
  int64_t from_, to_, packed_ = 0, scratch_ = 0, added_ = 0;
  std::vector<Call> whole_, last_;
  std::vector<Reorder> reorder_;
};

// The gradient with respect to the weights, in parts whose number depends on the sizes only: runs of images,
// each with a gradient of its own, added in order; or, when the weights are large, runs of output channels.
class Weights final : public nep_primitive {
 public:
  Weights(const Geometry& g, bool bias, int threads)
      : whole_geometry_(g),
        bias_(bias),
        threads_(team_for(g.flops(), threads)),
        by_channel_(g.groups == 1 && g.weights() > LARGE_WEIGHTS && g.outputs > CHANNEL_PART),
        runs_(by_channel_ ? g.outputs : g.batch,
              by_channel_ ? std::min(RUNS, (g.outputs + CHANNEL_PART - 1) / CHANNEL_PART) : RUNS) {
    PlanFor one(1);
    for (const int64_t size : {runs_.size, runs_.rest}) {
      Geometry piece = g;
      (by_channel_ ? piece.outputs : piece.batch) = size;
      const auto plan = plan_weights(piece);
      implementations += std::string(implementations.empty() ? "" : ",") + plan.impl_info_str();
      const memory::desc gradient = plan.diff_weights_desc();
      scratch_ = std::max(scratch_, floats(plan.scratchpad_desc()));
      blocked_ = std::max(blocked_, floats(gradient));
      gathered_ = std::max(gathered_, by_channel_ ? floats(piece.target()) : 0);
      auto& calls = whole_.empty() ? whole_ : last_;
      auto& reorders = &calls == &whole_ ? whole_reorders_ : last_reorders_;
      for (int thread = 0; thread < threads_; thread++) {
        calls.push_back(
            call(dnnl::convolution_backward_weights(plan), {{DNNL_ARG_SRC, piece.source()},
                                                            {DNNL_ARG_DIFF_DST, piece.target()},
                                                            {DNNL_ARG_DIFF_WEIGHTS, gradient},
                                                            {DNNL_ARG_SCRATCHPAD, plan.scratchpad_desc()}}));
        reorders.emplace_back(gradient, piece.kernel(true), 1);
        scratch_ = std::max(scratch_, reorders.back().workspace());
      }
    }
    part_ = (g.weights() + 15) / 16 * 16;
    parts_ = by_channel_ ? part_ : part_ * runs_.count;
    bias_parts_ = bias ? (g.outputs + 15) / 16 * 16 : 0;
    per_thread_ = scratch_ + blocked_ + gathered_;
    workspace = parts_ + bias_parts_ * runs_.count + per_thread_ * threads_;
  }

  void execute(const float* input, const float* gradient, const float*, float* weights, float* bias,
               float* scratch, bool accumulate) override {
    const Geometry& g = whole_geometry_;
    const bool direct = by_channel_ && !accumulate;
    float* parts = direct ? weights : scratch;
    float* bias_parts = scratch + parts_;
    float* threads = bias_parts + bias_parts_ * runs_.count;
    const int64_t kernel = g.weights() / g.outputs;
    share(runs_.count, threads_, [&](int64_t run, int thread) {
      float* mine = threads + thread * per_thread_;
      float* blocked = mine + scratch_;
      const bool last = run == runs_.count - 1;
      Call& one = (last ? last_ : whole_)[static_cast<size_t>(thread)];
      const float* x = input;
      const float* dy = gradient;
      float* part = parts;
      if (by_channel_) {
        dy = gather(gradient, run, blocked + blocked_);
        part += run * runs_.size * kernel;
        if (bias_)
          sum_rows(dy, g.batch * g.positions(), runs_.length(run), bias + run * runs_.size, accumulate);
      } else {
        x += run * runs_.size * g.in_image();
        dy += run * runs_.size * g.out_image();
        part += run * part_;
        if (bias_) {
          sum_rows(dy, runs_.length(run) * g.positions(), g.outputs, bias_parts + run * bias_parts_, false);
        }
      }
      one.set(DNNL_ARG_SRC, x);
      one.set(DNNL_ARG_DIFF_DST, dy);
      one.set(DNNL_ARG_DIFF_WEIGHTS, blocked);
      one.set(DNNL_ARG_SCRATCHPAD, mine);
      one.run();
      (last ? last_reorders_ : whole_reorders_)[static_cast<size_t>(thread)].run(blocked, part, mine);
    });
    if (!direct)
      sum_parts(parts, by_channel_ ? 1 : runs_.count, part_, weights, g.weights(), accumulate, threads_);
    if (bias_ && !by_channel_) {
      sum_parts(bias_parts, runs_.count, bias_parts_, bias, g.outputs, accumulate, 1);
    }
  }

 private:
  // The channels of one run, made contiguous.
  const float* gather(const float* gradient, int64_t run, float* out) const {
    const int64_t rows = whole_geometry_.batch * whole_geometry_.positions(), width = runs_.length(run);
    const float* from = gradient + run * runs_.size;
    for (int64_t row = 0; row < rows; row++) {
      std::memcpy(out + row * width, from + row * whole_geometry_.outputs,
                  static_cast<size_t>(width) * sizeof(float));
    }
    return out;
  }

  Geometry whole_geometry_;
  bool bias_;
  int threads_;
  bool by_channel_;
  Runs runs_;
  int64_t scratch_ = 0, blocked_ = 0, gathered_ = 0, part_ = 0, parts_ = 0, bias_parts_ = 0, per_thread_ = 0;
  std::vector<Call> whole_, last_;
  std::vector<Reorder> whole_reorders_, last_reorders_;
};

}  // namespace

nep_primitive* plan_convolution(int32_t direction, const int64_t* geometry, bool bias, int threads) {
  const Geometry g = parse(geometry);
  if (direction == 2) return new Weights(g, bias, threads);
  return new PerImage(g, direction == 0, direction == 3, bias && direction == 0, threads);
}

}  // namespace nep
