#pragma once

#include <retort/models/preprocessing.h>

#include <string>

namespace retort {

/// The record of state dicts, and the extra file of TorchScript modules, that keeps a network's preprocessing.
constexpr const char* kPreprocessingRecord = "retort/preprocessing";

/// A preprocessing as the text of that record: a line for each member, its name and its values.
std::string packed(const Preprocessing& preprocessing);

/// Reads what packed() wrote.
/// @param function the caller's name, for error messages
/// @param name of the file, for error messages
/// @throws FileError if the text is damaged, or of a newer version
Preprocessing parse_preprocessing(const char* function, const std::string& text, const std::string& name);

}  // namespace retort
