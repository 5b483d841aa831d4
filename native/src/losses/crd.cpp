// The operators of CRD. Its criterion is in crd_criterion.cpp.
#include "losses/crd.h"

#include <ATen/ops/_unique2.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <retort/losses/crd.h>
#include <torch/library.h>

#include <array>
#include <limits>
#include <optional>

#include "losses/checks.h"
#include "runtime/exit_gate.h"
#include "tensor/operators.h"
#include "tensor/plain.h"
#include "tensor/precision.h"
#include "tensor/rows.h"

namespace retort {

ClassTable::ClassTable(const at::Tensor& of_rows) {
  const auto [values, inverse, counts] =
      at::_unique2(of_rows, /*sorted=*/true, /*return_inverse=*/true, /*return_counts=*/true);
  classes = inverse.contiguous();
  order = classes.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  starts = at::cat({at::zeros({1}, counts.options()), counts.cumsum(0)});
}

void ClassTable::move_to(c10::Device device) {
  for (at::Tensor* table : {&classes, &order, &starts}) *table = table->to(device);
}

void check_contrast_fits(const char* function, const at::Tensor& contrast, const at::Tensor& embeddings) {
  RETORT_CHECK_AS(
      ShapeError, contrast.sym_size(0) == embeddings.sym_size(0) && contrast.sym_size(1) >= 2, function,
      ": contrast must be of shape [", embeddings.sym_size(0), ", negatives + 1] (got ", contrast.sym_sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, contrast.device() == embeddings.device(), function, ": contrast must be on the embeddings' device ",
      embeddings.device(), " (got ", contrast.device(), ")");
}

void check_contrast(
    const char* function, const at::Tensor& contrast, const at::Tensor& embeddings, const c10::SymInt& rows) {
  check_rows(function, "contrast", contrast, 2, rows);
  check_contrast_fits(function, contrast, embeddings);
}

at::Tensor unchecked_crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double, double,
      double, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_crd_forward");
  return std::get<0>(forward.call(
      student, teacher, student_memory.detach(), teacher_memory.detach(), contrast, z_student, z_teacher, temperature,
      {}));
}

void check_negatives(const char* function, int64_t negatives) {
  RETORT_CHECK(negatives >= 1, function, ": negatives must be at least 1 (got ", negatives, ")");
  // With more, the size of contrast in bytes might not be a number of 64 bits.
  constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
  RETORT_CHECK(negatives <= kLargest, function, ": negatives must be at most ", kLargest, " (got ", negatives, ")");
}

at::Tensor draw_uniformly(const at::Tensor& indices, int64_t rows, int64_t negatives, const at::Tensor& key) {
  using Contrast = at::Tensor(const at::Tensor&, int64_t, int64_t, const at::Tensor&);
  static const auto contrast = find_operator<Contrast>("retort::_crd_contrast");
  return contrast.call(indices, rows, negatives, key);
}

void check_classes(const char* function, const at::Tensor& classes) {
  RETORT_CHECK_AS(ShapeError, classes.defined(), function, ": classes must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, classes.scalar_type() == at::kLong && classes.dim() == 1 && classes.numel() >= 2, function,
      ": classes must be int64 of shape [rows] (got ", classes.scalar_type(), " ", classes.sizes(), ")");
  RETORT_CHECK(
      classes.ne(classes[0]).any().item<bool>(), function, ": classes must be at least two different ones (got only ",
      classes[0].item<int64_t>(), ")");
}

at::Tensor draw_by_class(
    const at::Tensor& indices, const ClassTable& table, int64_t negatives, bool relaxed, const at::Tensor& key) {
  using Contrast = at::Tensor(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, bool, const at::Tensor&);
  static const auto contrast = find_operator<Contrast>("retort::_crd_class_contrast");
  return contrast.call(indices, table.order, table.starts, table.classes, negatives, relaxed, key);
}

namespace {

void check_embeddings(const char* function, const char* argument, const at::Tensor& embeddings) {
  check_floating(function, argument, embeddings);
  RETORT_CHECK_AS(
      ShapeError, embeddings.dim() == 2, function, ": ", argument, " must be of shape [batch, dimension] (got ",
      embeddings.sym_sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, embeddings.sym_numel() > 0, function, ": ", argument, " must not be empty (got ",
      embeddings.sym_sizes(), ")");
}

void check_memory(const char* function, const char* argument, const at::Tensor& memory, const at::Tensor& embeddings) {
  check_floating(function, argument, memory);
  RETORT_CHECK_AS(
      ShapeError, memory.dim() == 2 && memory.sym_size(0) > 0 && memory.sym_size(1) == embeddings.sym_size(1), function,
      ": ", argument, " must be of shape [rows, ", embeddings.sym_size(1), "] and not empty (got ", memory.sym_sizes(),
      ")");
  const at::ScalarType dtype = compute_dtype(embeddings);
  const bool may_be_bfloat16 = dtype == at::kFloat;
  RETORT_CHECK_AS(
      ShapeError, memory.scalar_type() == dtype || (may_be_bfloat16 && memory.scalar_type() == at::kBFloat16), function,
      ": ", argument, " must be ", dtype, may_be_bfloat16 ? " or BFloat16" : "", " for embeddings of ",
      embeddings.scalar_type(), " (got ", memory.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, memory.device() == embeddings.device(), function, ": ", argument,
      " must be on the embeddings' device ", embeddings.device(), " (got ", memory.device(), ")");
}

at::Tensor checked_crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature) {
  check_embeddings("crd_loss", "student", student);
  check_floating("crd_loss", "teacher", teacher);
  check_alike("crd_loss", student, teacher);
  check_memory("crd_loss", "student_memory", student_memory, student);
  check_memory("crd_loss", "teacher_memory", teacher_memory, student);
  RETORT_CHECK_AS(
      ShapeError, student_memory.scalar_type() == teacher_memory.scalar_type(),
      "crd_loss: memories must be of the same dtype (got ", student_memory.scalar_type(), " and ",
      teacher_memory.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, student_memory.sym_size(0) == teacher_memory.sym_size(0),
      "crd_loss: memories must have the same number of rows (got ", student_memory.sym_size(0), " and ",
      teacher_memory.sym_size(0), ")");
  check_contrast("crd_loss", contrast, student, teacher_memory.sym_size(0));
  check_positive("crd_loss", "z_student", z_student);
  check_positive("crd_loss", "z_teacher", z_teacher);
  check_positive("crd_loss", "temperature", temperature);
  // What could not be checked must not lead outside of the memories either.
  const at::Tensor rows =
      has_values(contrast) ? contrast : contrast.clamp(0, at::Scalar(teacher_memory.sym_size(0) - 1));
  return unchecked_crd_loss(student, teacher, student_memory, teacher_memory, rows, z_student, z_teacher, temperature);
}

double checked_crd_z(
    const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  static const auto z = find_operator<decltype(crd_z)>("retort::_crd_z");
  check_embeddings("crd_z", "embeddings", embeddings);
  check_memory("crd_z", "memory", memory, embeddings);
  check_contrast("crd_z", contrast, embeddings, memory.size(0));
  check_positive("crd_z", "temperature", temperature);
  return z.call(embeddings.detach(), memory.detach(), contrast, temperature);
}

/// A constant that decides what is drawn; on the device, where a kernel reads it.
at::Tensor draw_key(const at::Tensor& indices, std::optional<at::Generator> generator) {
  return at::empty({}, indices.options()).random_(std::move(generator));
}

at::Tensor checked_crd_contrast(
    const at::Tensor& indices, int64_t rows, int64_t negatives, std::optional<at::Generator> generator) {
  RETORT_CHECK(rows >= 2, "crd_contrast: rows must be at least 2 (got ", rows, ")");
  check_negatives("crd_contrast", negatives);
  check_rows("crd_contrast", "indices", indices, 1, rows);
  return draw_uniformly(indices, rows, negatives, draw_key(indices, std::move(generator)));
}

at::Tensor checked_crd_class_contrast(
    const at::Tensor& indices, const at::Tensor& classes, int64_t negatives, bool relaxed,
    std::optional<at::Generator> generator) {
  check_negatives("crd_class_contrast", negatives);
  check_classes("crd_class_contrast", classes);
  check_rows("crd_class_contrast", "indices", indices, 1, classes.size(0));
  RETORT_CHECK_AS(
      ShapeError, classes.device() == indices.device(), "crd_class_contrast: classes must be on the indices' device ",
      indices.device(), " (got ", classes.device(), ")");
  return draw_by_class(indices, ClassTable(classes), negatives, relaxed, draw_key(indices, std::move(generator)));
}

}  // namespace

at::Tensor crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(crd_loss)>("retort::crd_loss");
  return op.call(student, teacher, student_memory, teacher_memory, contrast, z_student, z_teacher, temperature);
}

double crd_z(const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(crd_z)>("retort::crd_z");
  return op.call(embeddings, memory, contrast, temperature);
}

at::Tensor crd_contrast(
    const at::Tensor& indices, int64_t rows, int64_t negatives, const std::optional<at::Generator>& generator) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_crd_contrast)>("retort::crd_contrast");
  return op.call(indices, rows, negatives, generator);
}

at::Tensor crd_class_contrast(
    const at::Tensor& indices, const at::Tensor& classes, int64_t negatives, bool relaxed,
    const std::optional<at::Generator>& generator) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_crd_class_contrast)>("retort::crd_class_contrast");
  return op.call(indices, classes, negatives, relaxed, generator);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      "crd_loss(Tensor student, Tensor teacher, Tensor student_memory, Tensor teacher_memory, Tensor contrast, "
      "float z_student, float z_teacher, float temperature) -> Tensor",
      &checked_crd_loss);
  // Not decomposed: what these return, or check, depends on values.
  m.def(
      "crd_z(Tensor embeddings, Tensor memory, Tensor contrast, float temperature) -> float",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, &checked_crd_z), {at::Tag::data_dependent_output});
  m.def(
      "crd_contrast(Tensor indices, int rows, int negatives, *, Generator? generator=None) -> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, &checked_crd_contrast),
      {at::Tag::nondeterministic_seeded});
  m.def(
      "crd_class_contrast(Tensor indices, Tensor classes, int negatives, *, bool relaxed=False, "
      "Generator? generator=None) -> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, &checked_crd_class_contrast),
      {at::Tag::nondeterministic_seeded});
  m.def(
      "_crd_forward(Tensor student, Tensor teacher, Tensor student_memory, Tensor teacher_memory, Tensor contrast, "
      "float z_student, float z_teacher, float temperature, bool[2] gradients) -> (Tensor, Tensor[])");
  m.def("_crd_z(Tensor embeddings, Tensor memory, Tensor contrast, float temperature) -> float");
  // `key`, an int64 scalar, decides what is drawn.
  m.def("_crd_contrast(Tensor indices, int rows, int negatives, Tensor key) -> Tensor");
  // `order` has the rows by class, which begin at `starts`; `classes` are the rows' own, from 0 on.
  m.def(
      "_crd_class_contrast(Tensor indices, Tensor order, Tensor starts, Tensor classes, int negatives, bool relaxed, "
      "Tensor key) -> Tensor");
}

}  // namespace retort
