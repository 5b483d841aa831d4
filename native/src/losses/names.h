#pragma once

#include <c10/util/string_view.h>

#include <array>
#include <cstdint>
#include <string>

#include "tensor/check.h"

namespace retort {

/// The names of an enum's values, in their order: schemas of public operators, descriptions and recipes call them so.
/// Private operators are given the values themselves, as integers.
template <typename Enum, size_t kCount>
struct Names {
  const char* function;
  const char* argument;
  /// The enum itself.
  const char* type;
  std::array<const char*, kCount> names;

  /// The same enum as another function's argument.
  constexpr Names in(const char* other_function) const { return {other_function, argument, type, names}; }

  c10::string_view of(Enum value) const {
    const auto index = static_cast<size_t>(value);
    RETORT_CHECK(
        index < kCount, function, ": ", argument, " must be one of ", type, " (got ", static_cast<int>(value), ")");
    return names[index];
  }

  Enum value_of(c10::string_view name) const {
    for (size_t i = 0; i < kCount; ++i) {
      if (name == names[i]) return static_cast<Enum>(i);
    }
    std::string all = names[0];
    for (size_t i = 1; i < kCount; ++i) all += (i + 1 < kCount ? ", " : " or ") + std::string(names[i]);
    fail(function, ": ", argument, " must be ", all, " (got ", name, ")");
  }
};

template <typename Enum, typename... Values>
constexpr Names<Enum, sizeof...(Values)> names_of(
    const char* function, const char* argument, const char* type, Values... values) {
  return {function, argument, type, {values...}};
}

}  // namespace retort
