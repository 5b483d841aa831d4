#pragma once

#include <ATen/core/Tensor.h>

#include "util/check.h"

namespace retort {

/// Requires a defined, dense tensor of a floating point dtype.
inline void check_floating(const char* function, const char* argument, const at::Tensor& tensor) {
  RETORT_CHECK(tensor.defined(), function, ": ", argument, " must be defined (got an undefined tensor)");
  RETORT_CHECK(
      tensor.is_floating_point(), function, ": ", argument, " must be floating point (got ", tensor.scalar_type(), ")");
  RETORT_CHECK(tensor.layout() == at::kStrided, function, ": ", argument, " must be dense (got ", tensor.layout(), ")");
}

/// Requires student and teacher to agree in shape, dtype and device.
inline void check_alike(const char* function, const at::Tensor& student, const at::Tensor& teacher) {
  RETORT_CHECK(
      student.sizes() == teacher.sizes(), function, ": student and teacher must have the same shape (got ",
      student.sizes(), " and ", teacher.sizes(), ")");
  RETORT_CHECK(
      student.scalar_type() == teacher.scalar_type(), function, ": student and teacher must have the same dtype (got ",
      student.scalar_type(), " and ", teacher.scalar_type(), ")");
  RETORT_CHECK(
      student.device() == teacher.device(), function, ": student and teacher must be on the same device (got ",
      student.device(), " and ", teacher.device(), ")");
}

}  // namespace retort
