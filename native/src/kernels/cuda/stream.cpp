#include "kernels/cuda/stream.h"

#include <c10/cuda/CUDAStream.h>

namespace retort::kernels::cuda {

OnDevice::OnDevice(const at::Tensor& tensor)
    : guard_(tensor.device()), stream_(c10::cuda::getCurrentCUDAStream(tensor.device().index()).stream()) {}

}  // namespace retort::kernels::cuda
