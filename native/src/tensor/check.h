#pragma once

#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>
#include <retort/errors.h>

#include <string>
#include <utility>

namespace retort {

/// A message whose control characters, such as those of a file's name, are escaped.
std::string one_line(std::string message);

/// Throws the error for something a user can get wrong. No backtrace is recorded: the message is the whole story, and
/// an error that travels through somebody else's bindings stays one line.
template <typename Error = c10::ValueError, typename... Args>
[[noreturn]] void fail(Args&&... message) {
  throw Error(one_line(c10::str(std::forward<Args>(message)...)), nullptr);
}

/// Requires what a user can get wrong. The message has the form `<function>: <argument> must <rule> (got <value>)`.
#define RETORT_CHECK(condition, ...)                             \
  do {                                                           \
    if (C10_UNLIKELY(!(condition))) ::retort::fail(__VA_ARGS__); \
  } while (false)

/// The same with the class of the error, e.g. ShapeError.
#define RETORT_CHECK_AS(Error, condition, ...)                          \
  do {                                                                  \
    if (C10_UNLIKELY(!(condition))) ::retort::fail<Error>(__VA_ARGS__); \
  } while (false)

}  // namespace retort
