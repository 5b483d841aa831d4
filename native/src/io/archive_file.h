#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <exception>
#include <memory>
#include <string>

namespace retort {

/// What LibTorch's readers of zip archives read.
using ArchiveFile = std::shared_ptr<caffe2::serialize::ReadAdapterInterface>;

/// @param function the caller's name, for error messages
/// @throws FileError if the file is missing or can't be read
ArchiveFile open_archive(const char* function, const std::string& path);

/// Whether an error of reading an archive says that memory did not suffice for what it holds. If the archive is damaged
/// and claims a record that is larger than anything that could be compressed into it, that is no lack of memory.
/// @throws std::exception is_out_of_memory if there is too little even for the list of its records
bool is_out_of_memory(const std::exception& error, const ArchiveFile& archive);

}  // namespace retort
