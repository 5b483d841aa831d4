#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/StringUtil.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/checksum.h"

namespace retort {

inline std::string text_of(bool flag) {
  return flag ? "true" : "false";
}

inline std::string text_of(int64_t number) {
  return std::to_string(number);
}

/// As few digits as tell the number from all others.
inline std::string text_of(double number) {
  std::array<char, 32> digits;
  return {digits.data(), std::to_chars(digits.begin(), digits.end(), number).ptr};
}

inline std::string text_of(std::string_view name) {
  return std::string(name);
}

/// Dtype and shape, and a checksum of the values.
inline std::string text_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return "none";
  return c10::str(tensor.scalar_type(), tensor.sizes(), '#', checksum(tensor));
}

template <typename T>
std::string text_of(const std::optional<T>& option) {
  return option ? text_of(*option) : "none";
}

template <typename T>
std::string text_of(const std::vector<T>& list) {
  std::vector<std::string> texts;
  for (const T& element : list) texts.push_back(text_of(element));
  return '[' + c10::Join(", ", texts) + ']';
}

/// An option by its name and value.
struct Option {
  template <typename T>
  Option(const char* name, const T& value) : text(c10::str(name, '=', text_of(value))) {}

  std::string text;
};

/// What CriterionOptions::description returns, e.g. `kd_loss(temperature=4, target=logits)`.
inline std::string describe(const char* name, const std::vector<Option>& options) {
  std::vector<std::string> texts;
  for (const Option& option : options) texts.push_back(option.text);
  return c10::str(name, '(', c10::Join(", ", texts), ')');
}

}  // namespace retort
