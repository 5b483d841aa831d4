#pragma once

#include <ATen/core/Tensor.h>
#include <torch/ordered_dict.h>

#include <string>

namespace retort {

/// Writes tensors as a file that Python reads with `torch.load(path, weights_only=True)`, complete or not at all.
void write_pickle(const torch::OrderedDict<std::string, at::Tensor>& tensors, const std::string& path);

/// Reads a dict of tensors written by write_pickle or by Python's `torch.save`, alone or under the key "model" or
/// "state_dict".
/// @param function the caller's name, for error messages
torch::OrderedDict<std::string, at::Tensor> read_pickle(const char* function, const std::string& path);

}  // namespace retort
