#pragma once

#include <string>

namespace retort::kernels::cuda {

/// Why kernels can't run on the current device, or on any; empty if they can.
std::string obstacle_of_device();

}  // namespace retort::kernels::cuda
