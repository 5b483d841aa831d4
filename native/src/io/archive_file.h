#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <memory>
#include <string>

namespace retort {

/// What LibTorch's readers of zip archives read.
using ArchiveFile = std::shared_ptr<caffe2::serialize::ReadAdapterInterface>;

/// @param function the caller's name, for error messages
/// @throws FileError if the file is missing or can't be read
ArchiveFile open_archive(const char* function, const std::string& path);

/// Whether an archive for which memory did not suffice is damaged: it can't be read, or a record says that it is larger
/// than anything that could be compressed into the archive.
/// @throws std::exception is_out_of_memory if there is too little even for the list of its records
bool claims_too_much(const ArchiveFile& archive);

}  // namespace retort
