// Where an element of a batch of images lies.
#pragma once

#include "common.cuh"

namespace images {

// One division of 64 bits: an image has less than 2³¹ elements.
struct Place {
  int64_t sample;
  int row, column, channel;

  __device__ Place(int64_t i, int height, int width, int channels) {
    const int each = height * width * channels;
    sample = i / each;
    const int within = static_cast<int>(i - sample * each);
    channel = within % channels;
    column = within / channels % width;
    row = within / channels / width;
  }
};

}  // namespace images
