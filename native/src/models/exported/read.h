#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

#include "io/archive_file.h"
#include "tensor/check.h"
#include "tensor/out_of_memory.h"

namespace retort::exported {

/// The reason in one line, without names of the libraries that give it.
inline std::string reason_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string text = known ? known->what_without_backtrace() : error.what();
  if (const size_t end = text.find("] "); text.compare(0, 16, "[json.exception.") == 0 && end != std::string::npos) {
    text.erase(0, end + 2);
  }
  return text.substr(0, text.find('\n'));
}

/// Calls what reads a file, and gives every reason for which it fails one form. What is said about a user's taps, a
/// c10::ValueError that is no FileError, goes on as it is.
/// @param function the caller's name, for error messages
/// @param name of the file
/// @throws FileError
/// @throws std::exception is_out_of_memory if there is too little for what the file holds
template <typename Reader>
auto read(const char* function, const std::string& name, const ArchiveFile& file, const Reader& reader) {
  std::string reason;
  try {
    return reader(file);
  } catch (const FileError& error) {
    reason = reason_of(error);
  } catch (const c10::ValueError&) {
    throw;
  } catch (const std::exception& error) {
    if (is_out_of_memory(error, file)) throw;
    reason = reason_of(error);
  }
  fail<FileError>(function, ": file must be a program of torch.export that can be run (got ", name, ": ", reason, ")");
}

}  // namespace retort::exported
