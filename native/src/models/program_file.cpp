#include "models/program_file.h"

#include <torch/csrc/jit/serialization/import.h>

#include <memory>
#include <utility>

#include "io/memory_adapter.h"
#include "io/whole_file.h"
#include "tensor/check.h"

namespace retort {
namespace {

template <typename Source>
torch::jit::Module load(const char* function, Source source, const std::string& name) {
  try {
    return torch::jit::load(std::move(source), at::kCPU);
  } catch (const std::exception&) {
    // What LibTorch says about a foreign file speaks of its reader's internals.
    fail<FileError>(function, ": file must be a TorchScript module saved by torch.jit.save (got ", name, ")");
  }
}

}  // namespace

torch::jit::Module load_program(const char* function, const std::string& path) {
  require_file(function, path);
  return load(function, path, path);
}

torch::jit::Module load_program(const char* function, const std::string& bytes, const std::string& name) {
  return load(function, std::make_shared<MemoryAdapter>(bytes), name);
}

}  // namespace retort
