#pragma once

#include <stdint.h>

#include "kernels/cpu/kernel_table.h"

namespace retort::kernels {

/// The derivatives of a row of standardised logits, as far as they are the same for all classes.
template <typename T>
struct Standardised {
  /// 1 / (deviation + epsilon)
  T inverse;
  /// What a standardised logit and the weighted sum of the gradient are multiplied by.
  T slope;
};

template <typename T>
struct StandardiseKernels {
  /// Writes (x - mean) / (deviation + epsilon).
  Standardised<T> (*standardise)(const T* logits, int64_t classes, T* to);
  /// Turns a gradient by that, in place, into one by x.
  void (*project)(const Standardised<T>& of, const T* standardised, int64_t classes, T* gradient);
};

RETORT_DECLARE_KERNELS(StandardiseKernels, standardise_kernels)

}  // namespace retort::kernels
