#include "io/archive_file.h"

#include <caffe2/serialize/file_adapter.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "io/whole_file.h"
#include "tensor/check.h"
#include "tensor/out_of_memory.h"

namespace retort {
namespace {

/// By how much Deflate compresses at best.
constexpr uint64_t kBestCompression = 1032;

/// Whether an archive is damaged: it says that a record is larger than anything that could be compressed into it, or it
/// can't be read.
bool claims_too_much(const ArchiveFile& archive) {
  try {
    caffe2::serialize::PyTorchStreamReader reader(archive);
    const std::vector<std::string> records = reader.getAllRecords();
    return std::any_of(records.begin(), records.end(), [&](const std::string& record) {
      return reader.getRecordSize(record) / kBestCompression > archive->size();
    });
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    return true;
  }
}

}  // namespace

ArchiveFile open_archive(const char* function, const std::string& path) {
  require_file(function, path);
  try {
    return std::make_shared<caffe2::serialize::FileAdapter>(path);
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    fail<FileError>(function, ": path must be a file that can be read (got ", path, ")");
  }
}

bool is_out_of_memory(const std::exception& error, const ArchiveFile& archive) {
  return is_out_of_memory(error) && !claims_too_much(archive);
}

}  // namespace retort
