#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <retort/losses/criterion.h>

#include <optional>
#include <ostream>

#include "tensor/check.h"
#include "tensor/numbers.h"
#include "tensor/plain.h"

namespace retort {

/// An element of a list, as it is called in a message, e.g. student[1].
struct Element {
  const char* list;
  size_t index;
};

inline std::ostream& operator<<(std::ostream& out, const Element& element) {
  return out << element.list << '[' << element.index << ']';
}

/// Requires a defined, dense tensor of a floating point dtype.
template <typename Argument>
void check_floating(const char* function, const Argument& argument, const at::Tensor& tensor) {
  RETORT_CHECK_AS(ShapeError, tensor.defined(), function, ": ", argument, " must be defined (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, tensor.is_floating_point(), function, ": ", argument, " must be floating point (got ",
      tensor.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, tensor.layout() == at::kStrided, function, ": ", argument, " must be dense (got ", tensor.layout(),
      ")");
}

/// Requires two tensors to agree in device, and in dtype unless both are of at most 32 bits: autocast mixes those, and
/// losses compute in float32 for all of them.
template <typename First, typename Second>
void check_compatible(
    const char* function, const First& first_name, const at::Tensor& first, const Second& second_name,
    const at::Tensor& second) {
  const bool are_narrow = first.scalar_type() != at::kDouble && second.scalar_type() != at::kDouble;
  RETORT_CHECK_AS(
      ShapeError, are_narrow || first.scalar_type() == second.scalar_type(), function, ": ", first_name, " and ",
      second_name, " must have the same dtype (got ", first.scalar_type(), " and ", second.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, first.device() == second.device(), function, ": ", first_name, " and ", second_name,
      " must be on the same device (got ", first.device(), " and ", second.device(), ")");
}

/// Requires student and teacher to agree in shape and to be compatible.
inline void check_alike(const char* function, const at::Tensor& student, const at::Tensor& teacher) {
  RETORT_CHECK_AS(
      ShapeError, student.sym_sizes() == teacher.sym_sizes(), function,
      ": student and teacher must have the same shape (got ", student.sym_sizes(), " and ", teacher.sym_sizes(), ")");
  check_compatible(function, "student", student, "teacher", teacher);
}

/// Requires logits [batch, classes] that are not empty.
inline void check_rows_of_logits(const char* function, const at::Tensor& student) {
  check_floating(function, "student", student);
  RETORT_CHECK_AS(
      ShapeError, student.dim() == 2, function, ": student must be of shape [batch, classes] (got ",
      student.sym_sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, student.sym_numel() > 0, function, ": student must not be empty (got ", student.sym_sizes(), ")");
}

/// Requires logits [batch, classes] of both networks that are not empty.
inline void check_logits(const char* function, const at::Tensor& student, const at::Tensor& teacher) {
  check_rows_of_logits(function, student);
  check_floating(function, "teacher", teacher);
  check_alike(function, student, teacher);
}

/// Requires `count` weights on the device of the logits, at least 0 and finite as far as that can be looked at.
inline void check_nonnegative_weights(
    const char* function, const char* argument, const at::Tensor& weights, const c10::SymInt& count,
    const at::Tensor& logits) {
  RETORT_CHECK_AS(
      ShapeError, weights.defined() && weights.dim() == 1 && weights.sym_size(0) == count, function, ": ", argument,
      " must be of shape [", count, "] (got ",
      weights.defined() ? c10::str(weights.sym_sizes()) : "an undefined tensor", ")");
  RETORT_CHECK_AS(
      ShapeError, !weights.is_complex(), function, ": ", argument, " must be real (got ", weights.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, weights.layout() == at::kStrided, function, ": ", argument, " must be dense (got ", weights.layout(),
      ")");
  RETORT_CHECK_AS(
      ShapeError, weights.device() == logits.device(), function, ": student and ", argument,
      " must be on the same device (got ", logits.device(), " and ", weights.device(), ")");
  if (!has_values(weights)) return;
  const at::Tensor values = weights.to(at::kDouble);
  const at::Tensor wrong = values.masked_select(at::isfinite(values).logical_and(values.ge(0)).logical_not());
  RETORT_CHECK(
      wrong.numel() == 0, function, ": ", argument, " must be at least 0 and finite (got ", wrong[0].item<double>(),
      ")");
}

/// Requires a weight for each sample.
inline void check_sample_weight(const char* function, const at::Tensor& weight, const at::Tensor& logits) {
  check_nonnegative_weights(function, "weight", weight, logits.sym_size(0), logits);
}

/// An argument to which no gradient flows.
inline std::optional<at::Tensor> without_gradient(const std::optional<at::Tensor>& argument) {
  return argument.has_value() ? std::optional<at::Tensor>(argument->detach()) : std::nullopt;
}

/// Clamps labels whose values could not be checked, so that no kernel reads out of bounds.
inline at::Tensor clamped_labels(const at::Tensor& labels, const at::Tensor& logits) {
  return has_values(labels) ? labels : labels.clamp(-1, at::Scalar(logits.sym_size(1) - 1));
}

/// Requires a tensor [batch, channels, height, width] that is not empty.
template <typename Argument>
void check_map(const char* function, const Argument& argument, const at::Tensor& map) {
  check_floating(function, argument, map);
  RETORT_CHECK_AS(
      ShapeError, map.dim() == 4, function, ": ", argument, " must be of shape [batch, channels, height, width] (got ",
      map.sym_sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, map.sym_numel() > 0, function, ": ", argument, " must not be empty (got ", map.sym_sizes(), ")");
}

/// Requires the same number of student and teacher maps, at least `minimum`, all of one batch and compatible.
inline void check_maps(const char* function, at::TensorList student, at::TensorList teacher, size_t minimum) {
  RETORT_CHECK_AS(
      ShapeError, student.size() == teacher.size(), function,
      ": student and teacher must have the same number of maps (got ", student.size(), " and ", teacher.size(), ")");
  RETORT_CHECK_AS(
      ShapeError, student.size() >= minimum, function, ": student must have at least ", minimum,
      minimum == 1 ? " map" : " maps", " (got ", student.size(), ")");
  for (const auto& [name, maps] : {std::pair{"student", student}, std::pair{"teacher", teacher}}) {
    for (size_t i = 0; i < maps.size(); ++i) {
      const Element element{name, i};
      check_map(function, element, maps[i]);
      const Element first{"student", 0};
      RETORT_CHECK_AS(
          ShapeError, maps[i].sym_size(0) == student[0].sym_size(0), function, ": ", first, " and ", element,
          " must have the same batch (got ", student[0].sym_size(0), " and ", maps[i].sym_size(0), ")");
      check_compatible(function, first, student[0], element, maps[i]);
    }
  }
}

/// Requires a batch to have labels; the step has checked their values.
inline void check_has_labels(const char* function, const CriterionBatch& batch) {
  RETORT_CHECK_AS(ShapeError, batch.labels.defined(), function, ": labels must be given (got an undefined tensor)");
}

/// Requires a criterion of logits to be given no taps.
inline void check_no_taps(const char* function, const FeatureShapes& shapes) {
  RETORT_CHECK(
      shapes.student.empty() && shapes.teacher.empty(), function, ": taps must be empty (got ",
      shapes.student.size() + shapes.teacher.size(), " taps)");
}

/// Requires a criterion that compares logits to be given no taps, and networks with the same number of classes.
inline void check_compares_logits(const char* function, const FeatureShapes& shapes) {
  check_no_taps(function, shapes);
  RETORT_CHECK_AS(
      ShapeError,
      shapes.classes_student == shapes.classes_teacher || shapes.classes_student == 0 || shapes.classes_teacher == 0,
      function, ": student and teacher must have the same number of classes (got ", shapes.classes_student, " and ",
      shapes.classes_teacher, ")");
}

/// Requires the taps of a criterion to be feature maps, the same number of both networks' and at least `minimum`.
inline void check_map_taps(const char* function, const FeatureShapes& shapes, size_t minimum) {
  RETORT_CHECK(
      shapes.student.size() == shapes.teacher.size(), function,
      ": student and teacher must have the same number of taps (got ", shapes.student.size(), " and ",
      shapes.teacher.size(), ")");
  RETORT_CHECK(
      shapes.student.size() >= minimum, function, ": taps must be at least ", minimum, " (got ", shapes.student.size(),
      ")");
  for (const auto& [name, taps] : {std::pair{"student", &shapes.student}, std::pair{"teacher", &shapes.teacher}}) {
    for (size_t i = 0; i < taps->size(); ++i) {
      const at::IntArrayRef shape = (*taps)[i];
      RETORT_CHECK_AS(
          ShapeError, shape.size() == 3, function, ": tap ", Element{name, i},
          " must be a map [channels, height, width] (got ", shape, ")");
    }
  }
}

}  // namespace retort
