#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>

namespace retort_jni {

struct Text {};
inline constexpr Text text{};

/// The message that a Java exception carries: `operator=(e) | retort_jni::text` is JavaCPP's
/// GENERIC_EXCEPTION_TOSTRING. c10::Error::what() would append a C++ backtrace and take milliseconds to do so.
inline const char* operator|(const std::exception& error, Text) {
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) return torch_error->what_without_backtrace();
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "out of memory";
  return error.what();
}

}  // namespace retort_jni
