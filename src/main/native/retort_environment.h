#pragma once

#include <cstdlib>

namespace retort_jni {

/// Sets a variable of the process unless it is set. Libraries that are loaded later see it; Java's System.getenv does
/// not.
inline void set_variable_unless_set(const char* name, const char* value) {
  setenv(name, value, /*overwrite=*/0);
}

/// The value of a variable, or null.
inline const char* variable(const char* name) {
  return std::getenv(name);
}

}  // namespace retort_jni
