#pragma once

#include <ATen/core/Tensor.h>
#include <torch/ordered_dict.h>

#include <optional>
#include <string>
#include <string_view>

namespace retort {

/// Writes tensors as a file that Python reads with `torch.load(path, weights_only=True)`, complete or not at all.
/// @param function the caller's name, for error messages
void write_state_dict(
    const char* function, const torch::OrderedDict<std::string, at::Tensor>& tensors, const std::string& path);

/// Reads a dict of tensors written by write_state_dict or by Python's `torch.save`, alone or under the key "model" or
/// "state_dict" of a checkpoint. Nothing in the file is executed: of Python's classes only tensors and dicts are
/// known, anything else is skipped.
/// @param function the caller's name, for error messages
torch::OrderedDict<std::string, at::Tensor> read_state_dict(const char* function, const std::string& path);

/// Appends tensors as the archive that write_state_dict makes a file.
void append_archive(const torch::OrderedDict<std::string, at::Tensor>& tensors, std::string& bytes);

/// What read_state_dict finds in an archive in memory, which may go afterwards; nothing in a foreign or damaged one.
std::optional<torch::OrderedDict<std::string, at::Tensor>> parse_archive(std::string_view bytes);

}  // namespace retort
