#pragma once

#include <ATen/core/Tensor.h>
#include <torch/ordered_dict.h>

#include <string>
#include <string_view>

namespace retort {

/// What a checkpoint file holds.
struct Checkpoint {
  /// What the tensors belong to, in words of their owner.
  std::string configuration;
  /// Dense tensors of any dtype, shape and strides.
  torch::OrderedDict<std::string, at::Tensor> tensors;
};

/// A checkpoint as the bytes of its file.
std::string packed(const Checkpoint& checkpoint);

/// Writes a checkpoint as one file that is complete or not there, in place of the one that was there. A process that is
/// killed meanwhile may leave a temporary file beside it (see write_whole_file).
/// @param function the caller's name, for error messages
/// @throws FileError if the file cannot be written
void write_checkpoint(const char* function, const Checkpoint& checkpoint, const std::string& path);

/// Reads what write_checkpoint wrote. The tensors are on the CPU, and each owns its memory.
/// @param function the caller's name, for error messages
/// @throws FileError if the file is not there, not a checkpoint, of another version of the format, or damaged in
///     any way
Checkpoint read_checkpoint(const char* function, const std::string& path);

/// Reads the same from the bytes of such a file, which may go afterwards.
/// @param name what error messages call it
Checkpoint parse_checkpoint(const char* function, std::string_view bytes, const std::string& name);

}  // namespace retort
