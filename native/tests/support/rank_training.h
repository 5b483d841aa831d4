#pragma once

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/train/training_step.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "expect.h"

namespace retort::test {

/// A rank's part of a batch.
inline Batch part_of(const Batch& whole, int64_t first, int64_t count) {
  const auto cut = [&](const at::Tensor& tensor) { return tensor.defined() ? tensor.narrow(0, first, count) : tensor; };
  Batch part;
  part.images = cut(whole.images);
  part.labels = cut(whole.labels);
  part.indices = cut(whole.indices);
  part.contrast = cut(whole.contrast);
  part.weights = cut(whole.weights);
  return part;
}

/// The same by the sizes of all ranks' parts.
inline Batch part_of(const Batch& whole, const std::vector<int64_t>& parts, int64_t rank) {
  const int64_t first = std::accumulate(parts.begin(), parts.begin() + rank, int64_t{0});
  return part_of(whole, first, parts[static_cast<size_t>(rank)]);
}

/// Expects what ranks have trained to be what one process has.
inline void expect_close(const NamedTensors& actual, const NamedTensors& expected, double tolerance) {
  ASSERT_EQ(actual.keys(), expected.keys());
  for (const auto& entry : expected) {
    const at::Tensor wanted = entry.value().to(at::kDouble), got = actual[entry.key()].to(at::kDouble);
    if (wanted.numel() == 0) continue;
    // What is 0 but for rounding, as the bias before a BatchNorm, is of no size of its own.
    const double scale = std::max(wanted.abs().max().item<double>(), 1e-3);
    EXPECT_LE((got - wanted).abs().max().item<double>(), tolerance * scale) << entry.key();
  }
}

}  // namespace retort::test
