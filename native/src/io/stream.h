#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

namespace retort {

/// Reads a stream to its end. Holds no lock and is no RunningCall where a stream may block.
/// @param function the caller's name, for error messages
/// @param name what messages call the stream
/// @throws FileError if the stream fails
std::string read_stream(const char* function, std::istream& stream, const std::string& name);

/// Writes bytes and flushes them.
/// @param function the caller's name, for error messages
/// @throws FileError if the stream fails
void write_stream(const char* function, std::ostream& stream, std::string_view bytes);

}  // namespace retort
