#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace retort {

/// Loads a program by what the file is: one of torch.export, whose forward returns one tensor, or a TorchScript module.
/// Its tensors are brought to the CPU.
/// @param function the caller's name, for error messages
/// @throws FileError if the file is missing or is none
torch::jit::Module load_program(const char* function, const std::string& path);

/// The same from the content of a file.
/// @param name of the file, for error messages
torch::jit::Module load_program(const char* function, const std::string& bytes, const std::string& name);

}  // namespace retort
