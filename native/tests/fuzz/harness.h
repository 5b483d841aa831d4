#pragma once

#include <ATen/ops/clone.h>
#include <c10/util/Exception.h>

#include <cstdlib>
#include <iostream>
#include <new>
#include <string>

namespace retort::fuzz {

/// Runs what may only succeed or throw a user error, of one line and without a backtrace; ends the process otherwise.
template <typename Action>
void succeeds_or_refuses(const Action& action) {
  try {
    action();
    return;
  } catch (const c10::ValueError& error) {
    const std::string text = error.what_without_backtrace();
    if (!text.empty() && text.find('\n') == std::string::npos && text == error.what()) return;
    std::cerr << "not one line: " << error.what() << '\n';
  } catch (const c10::OutOfMemoryError&) {
    return;
  } catch (const std::bad_alloc&) {
    return;
  } catch (const std::exception& error) {
    std::cerr << "not a user error: " << error.what() << '\n';
  }
  std::abort();
}

/// Reads every value of a tensor, whose memory may be no more than it claims.
inline void touch(const at::Tensor& tensor) {
  tensor.clone();
}

}  // namespace retort::fuzz
