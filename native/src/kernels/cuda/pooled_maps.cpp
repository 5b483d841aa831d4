#include "kernels/cuda/pooled_maps.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/adaptive_max_pool2d.h>
#include <ATen/ops/empty_like.h>

#include <array>

#include "kernels/cuda/pooling.h"
#include "kernels/cuda/tensors.h"
#include "tensor/dense.h"

namespace retort::kernels::cuda {

PooledMaps::PooledMaps(const at::Tensor& maps, int64_t height, int64_t width, Pooling pooling)
    : maps_(dense(maps.to(compute_dtype(maps)))),
      height_(height),
      width_(width),
      is_pooled_(maps.size(2) != height || maps.size(3) != width) {
  if (!is_pooled_) {
    matrix_ = maps_.flatten(2);
    return;
  }
  const std::array<int64_t, 2> size = {height, width};
  at::Tensor pooled;
  if (pooling == Pooling::kMax) {
    std::tie(pooled, maxima_) = at::adaptive_max_pool2d(maps_, size);
    maxima_ = maxima_.contiguous();
  } else {
    pooled = at::adaptive_avg_pool2d(maps_, size);
  }
  matrix_ = dense(pooled).flatten(2);
}

at::Tensor PooledMaps::spread(Stream stream, const at::Tensor& gradient) const {
  // A view would choose other strides of its own where a dimension is 1.
  if (!is_pooled_) return gradient.as_strided(maps_.sizes(), maps_.strides());
  const at::Tensor pooled = gradient.contiguous();
  const at::Tensor result = at::empty_like(maps_);
  AT_DISPATCH_FLOATING_TYPES(maps_.scalar_type(), "spread_gradient", [&] {
    spread_gradient(
        stream, PooledGradient<scalar_t>{
                    data<scalar_t>(pooled), data<int64_t>(maxima_), mutable_data<scalar_t>(result), maps_.size(0),
                    maps_.size(1), maps_.size(2), maps_.size(3), height_, width_, !maps_.is_contiguous()});
  });
  return result;
}

}  // namespace retort::kernels::cuda
