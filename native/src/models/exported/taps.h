#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/exported/program.h"

namespace retort::exported {

/// A value to hand out: what a call of a module of the Python model returned or was given.
struct Tap {
  std::string name;
  /// As a user wrote it, without the name.
  std::string text;
  std::string path;
  /// The last one if it is nothing.
  std::optional<int64_t> call;
  bool is_input = false;
};

/// Reads "layer1=layer1.1.relu@1" or, with that as the name, "layer1.1.relu@1"; both may end in ":in".
/// @throws c10::ValueError if a text is nothing of the kind, or two taps have one name
std::vector<Tap> parse_taps(const std::vector<std::string>& texts);

/// What the modules of the Python model take and return, found from the calls that each node was part of: a module
/// returns what is made inside a call of it and used outside, and takes what is used inside and made outside.
class ModuleValues {
 public:
  explicit ModuleValues(const Program& program);

  struct Values {
    std::vector<std::string> taken;
    std::vector<std::string> returned;
  };

  /// The value of a tap.
  /// @throws c10::ValueError if there is no such module or call, or what it returns or takes is not one tensor
  std::string value_of(const Tap& tap) const;

  /// Of every call that computes something, by module and number, in the order of execution.
  std::vector<std::pair<ModuleCall, Values>> calls() const;

 private:
  using Nodes = std::set<size_t>;

  Values values_of(const Nodes& inside) const;

  const Program& program_;
  std::map<std::string, std::string> types_;
  /// By module, then by the number of the call.
  std::map<std::string, std::map<int64_t, Nodes>> calls_;
  std::map<std::string, size_t> made_in_;
  std::map<std::string, Nodes> used_in_;
  /// Parameters, buffers, constants and what counters became.
  std::set<std::string> state_;
};

}  // namespace retort::exported
