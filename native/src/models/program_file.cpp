#include "models/program_file.h"

#include <caffe2/serialize/file_adapter.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/import.h>

#include <memory>

#include "io/memory_adapter.h"
#include "io/whole_file.h"
#include "models/exported/archive.h"
#include "models/exported/emitter.h"
#include "models/exported/read.h"
#include "tensor/check.h"

namespace retort {
namespace {

using Adapter = std::shared_ptr<caffe2::serialize::ReadAdapterInterface>;

bool is_exported(const Adapter& file) {
  try {
    return caffe2::serialize::PyTorchStreamReader(file).hasRecord("archive_format");
  } catch (const std::exception&) {
    return false;
  }
}

torch::jit::Module load(const char* function, const Adapter& file, const std::string& name) {
  if (is_exported(file)) {
    return exported::read(function, name, [&] {
      exported::Archive archive(file);
      return exported::emit_function(exported::read_source(archive, archive.main_program()));
    });
  }
  try {
    return torch::jit::load(file, at::kCPU);
  } catch (const std::exception&) {
    // What LibTorch says about a foreign file speaks of its reader's internals.
    fail<FileError>(function, ": file must be saved by torch.export.save or torch.jit.save (got ", name, ")");
  }
}

}  // namespace

torch::jit::Module load_program(const char* function, const std::string& path) {
  require_file(function, path);
  return load(function, std::make_shared<caffe2::serialize::FileAdapter>(path), path);
}

torch::jit::Module load_program(const char* function, const std::string& bytes, const std::string& name) {
  return load(function, std::make_shared<MemoryAdapter>(bytes), name);
}

}  // namespace retort
