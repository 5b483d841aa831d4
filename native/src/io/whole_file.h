#pragma once

#include <string>
#include <string_view>

namespace retort {

/// Writes a file that is complete or not there: under a temporary name beside its own, synced, then renamed, and the
/// folder synced. What was there before stays until then.
///
/// A process that is killed meanwhile leaves the temporary file, retort-NUMBER.tmp, which the next call that writes
/// into the same folder removes.
/// @param function the caller's name, for error messages
/// @throws FileError if it cannot be written
void write_whole_file(const char* function, const std::string& path, std::string_view bytes);

/// Syncs a file's folder, so that a new name survives a loss of power. Some file systems can't.
void sync_folder(const std::string& path);

/// Requires a file that is there.
/// @param function the caller's name, for error messages
/// @throws FileError if it isn't, or is no regular file
void require_file(const char* function, const std::string& path);

}  // namespace retort
