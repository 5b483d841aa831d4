#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <vector>

#include "models/network_shapes.h"

namespace retort {

/// The features that a network's program returned, in the order of its taps. Taps without names get those of the
/// program's dict, or numbers.
/// @throws c10::ValueError if they are of another form or lack one
std::vector<at::Tensor> features_of(const c10::IValue& features, NetworkShapes& shapes);

}  // namespace retort
