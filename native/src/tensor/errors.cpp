#include <retort/errors.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "tensor/check.h"

namespace retort {

std::string one_line(std::string message) {
  const auto is_control = [](char letter) { return (letter >= 0 && letter < ' ') || letter == 0x7f; };
  if (std::none_of(message.begin(), message.end(), is_control)) return message;
  std::string line;
  for (const char letter : message) {
    if (letter == '\n') {
      line += "\\n";
    } else if (is_control(letter)) {
      std::array<char, 8> escaped;
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned char>(letter));
      line += escaped.data();
    } else {
      line += letter;
    }
  }
  return line;
}

ShapeError::~ShapeError() = default;

NonFiniteError::~NonFiniteError() = default;

FileError::~FileError() = default;

RankError::~RankError() = default;

}  // namespace retort
