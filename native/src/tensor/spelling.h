#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace retort {

/// The end of a message about a name that is none of `known`: "one of a, b (got c)", with the known name that is the
/// fewest changes of characters away if they are a third of the name at most.
std::string one_of(const std::vector<std::string>& known, const std::string& name);

/// The names of `known` that are the fewest changes of characters away, nearest first: at most `count` of them.
std::vector<std::string> nearest(std::vector<std::string> known, const std::string& name, size_t count);

}  // namespace retort
