#pragma once

#include <algorithm>
#include <cstdint>

namespace retort {

/// The class with the largest logit, the first of equal ones. No number is less than NaN: only the first class can be
/// predicted with one.
template <typename T>
int64_t predicted(const T* logits, int64_t classes) {
  return std::max_element(logits, logits + classes) - logits;
}

}  // namespace retort
