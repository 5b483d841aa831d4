#pragma once

#include <c10/core/Device.h>

#include <string>

namespace retort {

/// Why there is no CUDA to be used, as the value that a check got; empty if there is.
std::string obstacle_to_cuda();

/// The device of that name, which must be there.
c10::Device device_of(const char* function, const std::string& name);

}  // namespace retort
