#pragma once

#include <set>
#include <string>

#include "models/exported/program.h"

namespace retort::exported {

/// Which of `values` a later node overwrites, themselves or through a view; in doubt one counts.
std::set<std::string> overwritten_later(const Graph& graph, const std::set<std::string>& values);

}  // namespace retort::exported
