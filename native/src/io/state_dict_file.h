#pragma once

#include <ATen/core/Tensor.h>
#include <torch/ordered_dict.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace retort {

/// Something that a file holds beside its tensors, and that Python does not see.
struct ExtraRecord {
  std::string name;
  std::string text;
};

/// Appends tensors as an archive that Python reads with `torch.load(path, weights_only=True)`.
void append_archive(
    const torch::OrderedDict<std::string, at::Tensor>& tensors, std::string& bytes,
    const std::vector<ExtraRecord>& extras = {});

/// Reads a file with a dict of tensors, written by append_archive or by Python's `torch.save`, alone or under the key
/// "model", "state_dict" or "model_state_dict" of a checkpoint. Nothing in the file is executed: of Python's classes
/// only tensors and dicts are known, anything else is skipped.
/// @param function the caller's name, for error messages
/// @throws FileError if the file is missing or not such a dict
/// @param extra if given, its text is set to that of the record of its name, if the file has one
torch::OrderedDict<std::string, at::Tensor> read_state_dict(
    const char* function, const std::string& path, ExtraRecord* extra = nullptr);

/// Reads the same from memory, which may go afterwards.
/// @param name what error messages call it
torch::OrderedDict<std::string, at::Tensor> parse_state_dict(
    const char* function, std::string_view bytes, const std::string& name, ExtraRecord* extra = nullptr);

/// What parse_state_dict finds; nothing in a foreign or damaged archive.
std::optional<torch::OrderedDict<std::string, at::Tensor>> parse_archive(std::string_view bytes);

}  // namespace retort
