#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/exported/program.h"
#include "models/module_tap.h"

namespace retort::exported {

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
  std::string value_of(const ModuleTap& tap) const;

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
