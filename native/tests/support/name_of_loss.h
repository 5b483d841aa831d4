#pragma once

#include <string>

namespace retort::test {

/// Names the instances of a test by the `name` of their case.
inline constexpr auto name_of_loss = [](const auto& info) -> std::string { return info.param.name; };

}  // namespace retort::test
