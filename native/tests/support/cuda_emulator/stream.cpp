#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

OnDevice::OnDevice(const at::Tensor& tensor) : guard_(tensor.device()), stream_(nullptr) {}

}  // namespace retort::kernels::cuda
