#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

#include "io/archive_file.h"

namespace retort {

/// Reads a module of torch.jit.save to the CPU. What LibTorch says about a foreign file speaks of its reader's
/// internals; the error says what the file must be instead.
/// @param expected what may be in its place, for the error message
/// @param name of the file, for the error message
/// @param extras records to be read, too, if there are such
/// @throws FileError if it is none
/// @throws std::exception is_out_of_memory if there is too little for what the file holds
torch::jit::Module read_torchscript(
    const char* function, const ArchiveFile& file, const char* expected, const std::string& name,
    torch::jit::ExtraFilesMap& extras);

}  // namespace retort
