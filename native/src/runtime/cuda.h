#pragma once

#include <c10/core/Device.h>

#include <string>

namespace retort {

/// Why there is no CUDA to be used, as the value that a check got; empty if there is.
std::string obstacle_to_cuda();

/// LibTorch's CUDA half, for dlsym(); null if there is none that can be loaded.
void* cuda_half();

/// The device of that name, which must be there.
c10::Device device_of(const char* function, const std::string& name);

}  // namespace retort
