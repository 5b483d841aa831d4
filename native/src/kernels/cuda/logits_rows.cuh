#pragma once

#include "kernels/cuda/block.cuh"
#include "kernels/cuda/logits_rows.h"

namespace retort::kernels::cuda {

/// One of some rows, by itself.
template <typename T>
__device__ LogitsRows<T> one_of(LogitsRows<T> rows, int64_t row) {
  const int64_t begin = row * rows.classes;
  rows.student += begin;
  rows.teacher += begin;
  if (rows.student_gradient) rows.student_gradient += begin;
  if (rows.teacher_gradient) rows.teacher_gradient += begin;
  rows.shares += row;
  rows.terms += row;
  rows.rows = 1;
  return rows;
}

/// A row that does not count: it may hold anything.
template <typename T>
__device__ void skip(const LogitsRows<T>& row) {
  for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
    if (row.student_gradient) row.student_gradient[i] = T(0);
    if (row.teacher_gradient) row.teacher_gradient[i] = T(0);
  }
  if (threadIdx.x == 0) *row.terms = 0;
}

}  // namespace retort::kernels::cuda
