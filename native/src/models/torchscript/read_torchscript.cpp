#include "models/torchscript/read_torchscript.h"

#include <retort/errors.h>
#include <torch/csrc/jit/serialization/import.h>

#include "tensor/check.h"

namespace retort {

torch::jit::Module read_torchscript(
    const char* function, const ArchiveFile& file, const char* expected, const std::string& name,
    torch::jit::ExtraFilesMap& extras) {
  try {
    return torch::jit::load(file, at::kCPU, extras);
  } catch (const std::exception& error) {
    if (is_out_of_memory(error, file)) throw;
  }
  fail<FileError>(function, ": file must be ", expected, " (got ", name, ")");
}

}  // namespace retort
