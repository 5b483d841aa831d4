#include "train/staging.h"

#include <ATen/ops/empty.h>

namespace retort {

const Batch& Staging::on_device(const Batch& batch) {
  if (device_.is_cpu()) return batch;
  moved_ = batch;
  moved_.images = on_device(batch.images, locked_[0]);
  moved_.labels = on_device(batch.labels, locked_[1]);
  moved_.indices = on_device(batch.indices, locked_[2]);
  moved_.contrast = on_device(batch.contrast, locked_[3]);
  moved_.weights = on_device(batch.weights, locked_[4]);
  return moved_;
}

at::Tensor Staging::on_device(const at::Tensor& tensor, at::Tensor& locked) const {
  if (!tensor.defined() || tensor.device() == device_) return tensor;
  if (!locked.defined() || locked.sizes() != tensor.sizes() || locked.dtype() != tensor.dtype()) {
    locked = at::empty(tensor.sizes(), at::TensorOptions(tensor.dtype()).pinned_memory(true));
  }
  locked.copy_(tensor);
  return locked.to(device_, /*non_blocking=*/true);
}

}  // namespace retort
