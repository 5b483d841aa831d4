#pragma once

#include <ATen/core/ScalarType.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tensor/check.h"

namespace retort::exported {

using Json = nlohmann::json;

/// @throws FileError whose message is the reason
inline Json parse_json(const std::string& text, const std::string& name) {
  try {
    return Json::parse(text);
  } catch (const Json::exception&) {
    fail<FileError>(name, " is no JSON");
  }
}

/// The only entry of an object, by which the schema tells what kind of thing a value is.
inline std::pair<const std::string&, const Json&> kind_of(const Json& object) {
  if (!object.is_object() || object.size() != 1) fail<FileError>("an argument has no kind");
  const auto entry = object.begin();
  return {entry.key(), entry.value()};
}

/// The dtype that the schema gives a number.
/// @throws FileError whose message is the reason
inline c10::ScalarType dtype_of(const Json& code) {
  switch (code.get<int64_t>()) {
    case 1:
      return c10::ScalarType::Byte;
    case 2:
      return c10::ScalarType::Char;
    case 3:
      return c10::ScalarType::Short;
    case 4:
      return c10::ScalarType::Int;
    case 5:
      return c10::ScalarType::Long;
    case 6:
      return c10::ScalarType::Half;
    case 7:
      return c10::ScalarType::Float;
    case 8:
      return c10::ScalarType::Double;
    case 9:
      return c10::ScalarType::ComplexHalf;
    case 10:
      return c10::ScalarType::ComplexFloat;
    case 11:
      return c10::ScalarType::ComplexDouble;
    case 12:
      return c10::ScalarType::Bool;
    case 13:
      return c10::ScalarType::BFloat16;
    default:
      fail<FileError>("dtype ", code.get<int64_t>(), " is unknown");
  }
}

constexpr int64_t kStridedLayout = 7;

}  // namespace retort::exported
