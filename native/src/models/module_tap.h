#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace retort {

/// A value to hand out: what a call of a module returned or was given.
struct ModuleTap {
  std::string name;
  /// As a user wrote it, without the name.
  std::string text;
  std::string path;
  /// The last one if it is nothing.
  std::optional<int64_t> call;
  bool is_input = false;
};

/// Reads "layer1=layer1.1.relu@1" or, with that as the name, "layer1.1.relu@1"; both may end in ":in".
/// @param function the caller's name, for error messages
/// @throws c10::ValueError if a text is nothing of the kind, or two taps have one name
std::vector<ModuleTap> parse_module_taps(const char* function, const std::vector<std::string>& texts);

/// Throws the error for a tap at a module that is not there.
/// @param known the paths of those that are
[[noreturn]] void fail_for_path(const char* function, const ModuleTap& tap, const std::vector<std::string>& known);

/// Throws the error for a call of a module that there is not.
/// @param last the number of the last one
[[noreturn]] void fail_for_call(const char* function, const ModuleTap& tap, int64_t last);

/// Throws the error for a module that returns or takes another number of tensors than one.
[[noreturn]] void fail_for_count(const char* function, const ModuleTap& tap, size_t count);

}  // namespace retort
