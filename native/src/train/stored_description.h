#pragma once

#include <retort/train/stored_outputs.h>

#include <string>
#include <string_view>

namespace retort {

/// Requires options that a file can be written of.
/// @param function the caller's name, for error messages
/// @throws c10::ValueError if one is out of range
void check_description(const char* function, const StoredOutputsOptions& options);

/// Options as bytes of a file: numbers, uint64, and texts after their length.
std::string describe(const StoredOutputsOptions& options);

/// Options of such bytes, in which anything may be out of range.
/// @param function the caller's name, for error messages
/// @param name of the file, for error messages
/// @throws FileError if the bytes are no options
StoredOutputsOptions parse_description(const char* function, std::string_view description, const std::string& name);

}  // namespace retort
