#include "train/staging.h"

#include <ATen/ops/empty.h>

namespace retort {

Batch Staging::on_device(const Batch& batch) {
  if (device_.is_cpu()) return batch;
  Batch moved = batch;
  for (size_t i = 0; i < kParts.size(); ++i) {
    at::Tensor& part = moved.*kParts[i];
    if (part.defined()) part = readable(part, locked_[i]).to(device_, /*non_blocking=*/true);
  }
  return moved;
}

void Staging::copy(const Batch& batch, const Batch& places) {
  for (size_t i = 0; i < kParts.size(); ++i) {
    const at::Tensor& part = batch.*kParts[i];
    if (part.defined()) (places.*kParts[i]).copy_(readable(part, locked_[i]), /*non_blocking=*/true);
  }
}

std::vector<int64_t> Staging::signature(const Batch& batch) {
  std::vector<int64_t> signature;
  for (at::Tensor Batch::*one : kParts) {
    const at::Tensor& part = batch.*one;
    signature.push_back(part.defined() ? part.dim() : -1);
    if (!part.defined()) continue;
    signature.push_back(static_cast<int64_t>(part.scalar_type()));
    signature.insert(signature.end(), part.sizes().begin(), part.sizes().end());
  }
  return signature;
}

at::Tensor Staging::readable(const at::Tensor& part, at::Tensor& locked) const {
  if (part.device() == device_) return part;
  if (!locked.defined() || locked.sizes() != part.sizes() || locked.dtype() != part.dtype()) {
    locked = at::empty(part.sizes(), at::TensorOptions(part.dtype()).pinned_memory(true));
  }
  return locked.copy_(part);
}

}  // namespace retort
