#pragma once

#include <string>
#include <string_view>

namespace retort {

/// Writes a file that is complete or not there: under a temporary name beside its own, synced, then renamed, and the
/// folder synced. What was there before stays until then.
/// @param function the caller's name, for error messages
/// @throws c10::ValueError if it cannot be written
void write_whole_file(const char* function, const std::string& path, std::string_view bytes);

}  // namespace retort
