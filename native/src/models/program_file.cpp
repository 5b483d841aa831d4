#include "models/program_file.h"

#include <caffe2/serialize/inline_container.h>

#include <memory>

#include "io/memory_adapter.h"
#include "models/exported/archive.h"
#include "models/exported/emitter.h"
#include "models/exported/read.h"
#include "models/torchscript/read_torchscript.h"
#include "tensor/out_of_memory.h"

namespace retort {
namespace {

bool is_exported(const ArchiveFile& file) {
  try {
    return caffe2::serialize::PyTorchStreamReader(file).hasRecord("archive_format");
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    return false;
  }
}

torch::jit::Module emitted(const ArchiveFile& file) {
  exported::Archive archive(file);
  return exported::emit_function(exported::read_source(archive, archive.main_program()));
}

torch::jit::Module load(const char* function, const ArchiveFile& file, const std::string& name) {
  if (is_exported(file)) return exported::read(function, name, file, emitted);
  torch::jit::ExtraFilesMap no_extras;
  return read_torchscript(function, file, "saved by torch.export.save or torch.jit.save", name, no_extras);
}

}  // namespace

torch::jit::Module load_program(const char* function, const std::string& path) {
  return load(function, open_archive(function, path), path);
}

torch::jit::Module load_program(const char* function, const std::string& bytes, const std::string& name) {
  return load(function, std::make_shared<MemoryAdapter>(bytes), name);
}

}  // namespace retort
