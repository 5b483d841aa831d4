#include "distributed/buffer_means.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/where.h>

#include <utility>

namespace retort {
namespace {

at::Tensor flat(const std::vector<at::Tensor>& buffers) {
  if (buffers.empty()) return at::empty({0}, at::kDouble);
  std::vector<at::Tensor> parts;
  parts.reserve(buffers.size());
  for (const at::Tensor& buffer : buffers) parts.push_back(buffer.reshape({-1}));
  // Buffers of one dtype are converted at once.
  return at::cat(parts).to(at::kDouble);
}

}  // namespace

void BufferMeans::begin(std::vector<at::Tensor> buffers) {
  buffers_ = std::move(buffers);
  before_ = flat(buffers_);
}

at::Tensor BufferMeans::changes() const {
  const at::Tensor after = flat(buffers_);
  // The difference of two infinities is no number.
  return at::where(after == before_, 0.0, after - before_);
}

void BufferMeans::apply(const at::Tensor& changes) const {
  const at::Tensor after = before_ + changes;
  int64_t place = 0;
  for (const at::Tensor& buffer : buffers_) {
    buffer.copy_(after.narrow(0, place, buffer.numel()).view(buffer.sizes()));
    place += buffer.numel();
  }
}

}  // namespace retort
