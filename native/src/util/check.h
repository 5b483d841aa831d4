#pragma once

#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>

#include <utility>

namespace retort {

/// Throws the error for something a user can get wrong. No backtrace is recorded: the message is the whole story, and
/// an error that travels through somebody else's bindings stays one line.
template <typename... Args>
[[noreturn]] void fail(Args&&... message) {
  throw c10::ValueError(c10::str(std::forward<Args>(message)...), nullptr);
}

/// Requires what a user can get wrong. The message has the form `<function>: <argument> must <rule> (got <value>)`.
#define RETORT_CHECK(condition, ...)                             \
  do {                                                           \
    if (C10_UNLIKELY(!(condition))) ::retort::fail(__VA_ARGS__); \
  } while (false)

}  // namespace retort
