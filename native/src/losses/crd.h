#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace retort {

// What the operators and the criterion of crd_loss share. Where it says so, values are not looked at, for which a
// device would have to be waited for.

/// The rows of each class side by side, so that those of all other classes are two ranges.
struct ClassTable {
  explicit ClassTable(const at::Tensor& of_rows);

  void move_to(c10::Device device);

  /// int64 [M], the class of each row, from 0 on.
  at::Tensor classes;
  /// int64 [M], the rows in the order of their classes.
  at::Tensor order;
  /// int64 [classes + 1], where each class begins in `order`.
  at::Tensor starts;
};

void check_classes(const char* function, const at::Tensor& classes);
void check_negatives(const char* function, int64_t negatives);
void check_contrast(
    const char* function, const at::Tensor& contrast, const at::Tensor& embeddings, const c10::SymInt& rows);
/// The same without the values.
void check_contrast_fits(const char* function, const at::Tensor& contrast, const at::Tensor& embeddings);

/// crd_loss for arguments that were checked.
at::Tensor unchecked_crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature);

// Rows to contrast with, for arguments that were checked.
/// @param key int64 [], decides what is drawn
at::Tensor draw_uniformly(const at::Tensor& indices, int64_t rows, int64_t negatives, const at::Tensor& key);
at::Tensor draw_by_class(
    const at::Tensor& indices, const ClassTable& table, int64_t negatives, bool relaxed, const at::Tensor& key);

}  // namespace retort
