#pragma once

#include <torch/csrc/jit/api/module.h>

#include <vector>

#include "models/module_tap.h"

namespace retort {

/// A TorchScript module with the same parts, attributes and names, whose forward returns `(logits, {name: feature})`:
/// the logits are what the original returns, or the first element of it, and features what modules return or are given.
/// @param function the caller's name, for error messages
/// @throws c10::ValueError if a tap is at no module, if its call is in a loop or a branch, or is not of one tensor
torch::jit::Module with_module_taps(
    const char* function, const torch::jit::Module& program, const std::vector<ModuleTap>& taps);

}  // namespace retort
