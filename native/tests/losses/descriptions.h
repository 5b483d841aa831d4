#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace retort::test {

/// Expects each change of the options, made alone, to give a description of its own.
template <typename Options>
void expect_descriptions_differ(const Options& options, const std::vector<std::function<void(Options&)>>& changes) {
  std::set<std::string> seen = {options.description()};
  for (const auto& change : changes) {
    Options changed = options;
    change(changed);
    EXPECT_TRUE(seen.insert(changed.description()).second) << changed.description();
  }
}

}  // namespace retort::test
