#pragma once

#include <string>

namespace retort {

/// Why kernels can't run on the current device, or on any; empty if they can.
std::string obstacle_of_device();

}  // namespace retort
