#pragma once

#include <c10/util/Exception.h>
#include <retort/errors.h>

#include <exception>
#include <new>
#include <string>

namespace retort_jni {

struct Text {};
inline constexpr Text text{};

template <typename Error>
bool is(const std::exception& error) {
  return dynamic_cast<const Error*>(&error) != nullptr;
}

/// The message, after the kind of the error if Errors.java knows a class for it.
inline std::string marked(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  // c10::Error::what() would append a C++ backtrace and take milliseconds to do so.
  const std::string message = torch_error ? torch_error->what_without_backtrace() : error.what();
  if (is<retort::ShapeError>(error)) return "ShapeError: " + message;
  if (is<retort::NonFiniteError>(error)) return "NonFiniteError: " + message;
  if (is<retort::FileError>(error)) return "FileError: " + message;
  if (is<retort::RankError>(error)) return "RankError: " + message;
  if (is<c10::OutOfMemoryError>(error)) return "OutOfMemoryError: " + message;
  return message;
}

/// The text of a Java exception: `operator=(e) | retort_jni::text` is JavaCPP's GENERIC_EXCEPTION_TOSTRING, which
/// copies it at once.
inline const char* operator|(const std::exception& error, Text) {
  if (is<std::bad_alloc>(error)) return "OutOfMemoryError: out of memory";
  thread_local std::string result;
  result = marked(error);
  return result.c_str();
}

}  // namespace retort_jni
