#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>
#include <retort/losses/crd.h>
#include <retort/memory/contrast_memory.h>
#include <torch/library.h>
#include <torch/nn/modules/linear.h>

#include <array>

#include "losses/checks.h"
#include "util/operators.h"
#include "util/precision.h"
#include "util/rows.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// Shorter embeddings have no direction.
constexpr double kSmallestNorm = 1e-6;

void check_embeddings(const char* function, const char* argument, const at::Tensor& embeddings) {
  check_floating(function, argument, embeddings);
  RETORT_CHECK(
      embeddings.dim() == 2, function, ": ", argument, " must be of shape [batch, dimension] (got ", embeddings.sizes(),
      ")");
  RETORT_CHECK(embeddings.numel() > 0, function, ": ", argument, " must not be empty (got ", embeddings.sizes(), ")");
}

void check_memory(const char* function, const char* argument, const at::Tensor& memory, const at::Tensor& embeddings) {
  check_floating(function, argument, memory);
  RETORT_CHECK(
      memory.dim() == 2 && memory.size(0) > 0 && memory.size(1) == embeddings.size(1), function, ": ", argument,
      " must be of shape [rows, ", embeddings.size(1), "] and not empty (got ", memory.sizes(), ")");
  RETORT_CHECK(
      memory.scalar_type() == compute_dtype(embeddings), function, ": ", argument, " must be ",
      compute_dtype(embeddings), " for embeddings of ", embeddings.scalar_type(), " (got ", memory.scalar_type(), ")");
  RETORT_CHECK(
      memory.device() == embeddings.device(), function, ": ", argument, " must be on the embeddings' device ",
      embeddings.device(), " (got ", memory.device(), ")");
}

void check_contrast(const char* function, const at::Tensor& contrast, const at::Tensor& embeddings, int64_t rows) {
  check_rows(function, "contrast", contrast, 2, rows);
  RETORT_CHECK(
      contrast.size(0) == embeddings.size(0) && contrast.size(1) >= 2, function, ": contrast must be of shape [",
      embeddings.size(0), ", negatives + 1] (got ", contrast.sizes(), ")");
  RETORT_CHECK(
      contrast.device() == embeddings.device(), function, ": contrast must be on the embeddings' device ",
      embeddings.device(), " (got ", contrast.device(), ")");
}

at::Tensor checked_crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double, double,
      double, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_crd_forward");
  check_embeddings("crd_loss", "student", student);
  check_floating("crd_loss", "teacher", teacher);
  check_alike("crd_loss", student, teacher);
  check_memory("crd_loss", "student_memory", student_memory, student);
  check_memory("crd_loss", "teacher_memory", teacher_memory, student);
  RETORT_CHECK(
      student_memory.size(0) == teacher_memory.size(0), "crd_loss: memories must have as many rows (got ",
      student_memory.size(0), " and ", teacher_memory.size(0), ")");
  check_contrast("crd_loss", contrast, student, teacher_memory.size(0));
  check_positive("crd_loss", "z_student", z_student);
  check_positive("crd_loss", "z_teacher", z_teacher);
  check_positive("crd_loss", "temperature", temperature);
  return std::get<0>(forward.call(
      student, teacher, student_memory.detach(), teacher_memory.detach(), contrast, z_student, z_teacher, temperature,
      {}));
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

at::Tensor checked_crd_contrast(
    const at::Tensor& indices, int64_t rows, int64_t negatives, std::optional<at::Generator> generator) {
  using Contrast = at::Tensor(const at::Tensor&, int64_t, int64_t, const at::Tensor&);
  static const auto contrast = find_operator<Contrast>("retort::_crd_contrast");
  RETORT_CHECK(rows >= 2, "crd_contrast: rows must be at least 2 (got ", rows, ")");
  RETORT_CHECK(negatives >= 1, "crd_contrast: negatives must be at least 1 (got ", negatives, ")");
  check_rows("crd_contrast", "indices", indices, 1, rows);
  // Stays on the device, where a kernel reads it.
  const at::Tensor key = at::empty({}, indices.options()).random_(std::move(generator));
  return contrast.call(indices, rows, negatives, key);
}

/// Rows divided by their lengths. What has no direction becomes zero, without a gradient; NaN stays NaN.
at::Tensor unit_rows(const at::Tensor& rows) {
  const at::Tensor length = at::linalg_vector_norm(rows, 2, at::IntArrayRef{1}, /*keepdim=*/true);
  const at::Tensor is_short = length < kSmallestNorm;
  return at::where(is_short, 0, rows / at::where(is_short, 1, length));
}

class CrdCriterion final : public Criterion {
 public:
  CrdCriterion(const CrdOptions& options, int64_t student_width, int64_t teacher_width)
      : negatives_(options.negatives), temperature_(options.temperature), momentum_(options.momentum) {
    student_embedding_ = register_module("student_embedding", nn::Linear(student_width, options.dimension));
    teacher_embedding_ = register_module("teacher_embedding", nn::Linear(teacher_width, options.dimension));
    student_memory_ =
        register_module("student_memory", std::make_shared<ContrastMemory>(options.samples, options.dimension));
    teacher_memory_ =
        register_module("teacher_memory", std::make_shared<ContrastMemory>(options.samples, options.dimension));
    z_student_ = register_buffer("z_student", at::zeros({}));
    z_teacher_ = register_buffer("z_teacher", at::zeros({}));
  }

  at::Tensor forward(const CriterionInput& input) override {
    const int64_t rows = student_memory_->embeddings().size(0);
    check_rows("crd_loss", "indices", input.indices, 1, rows);
    const at::Tensor student = embed(student_embedding_, input.student.at(0));
    const at::Tensor teacher = embed(teacher_embedding_, input.teacher.at(0));
    const at::Tensor contrast =
        input.contrast.defined() ? input.contrast : crd_contrast(input.indices, rows, negatives_);
    const double z_student = z(z_student_, "z_student", student, *teacher_memory_, contrast);
    const double z_teacher = z(z_teacher_, "z_teacher", teacher, *student_memory_, contrast);
    student_ = student.detach();
    teacher_ = teacher.detach();
    return crd_loss(
        student, teacher, student_memory_->embeddings(), teacher_memory_->embeddings(), contrast, z_student, z_teacher,
        temperature_);
  }

  void after_step(const CriterionInput& input) override {
    student_before_ = student_memory_->update(input.indices, student_, momentum_);
    teacher_before_ = teacher_memory_->update(input.indices, teacher_, momentum_);
  }

  void snapshot() override {
    student_before_ = teacher_before_ = {};
    z_before_ = {z_student_.item<double>(), z_teacher_.item<double>()};
  }

  void restore() override {
    const at::NoGradGuard no_grad;
    if (student_before_.indices.defined()) student_memory_->assign(student_before_);
    if (teacher_before_.indices.defined()) teacher_memory_->assign(teacher_before_);
    z_student_.fill_(z_before_[0]);
    z_teacher_.fill_(z_before_[1]);
  }

 private:
  static at::Tensor embed(nn::Linear& linear, const at::Tensor& features) {
    return unit_rows(linear(features.flatten(1).to(linear->weight.scalar_type())));
  }

  /// Z as the buffer has it, or estimated and kept there if this is the first batch.
  double z(
      at::Tensor& buffer, const char* name, const at::Tensor& embeddings, const ContrastMemory& memory,
      const at::Tensor& contrast) {
    if (buffer.item<double>() == 0) {
      const at::NoGradGuard no_grad;
      const double estimate = crd_z(embeddings, memory.embeddings(), contrast, temperature_);
      const at::Tensor rounded = at::scalar_tensor(estimate, at::kDouble).to(buffer.options());
      check_positive("crd_loss", name, rounded.item<double>());
      buffer.copy_(rounded);
    }
    return buffer.item<double>();
  }

  int64_t negatives_;
  double temperature_;
  double momentum_;
  nn::Linear student_embedding_{nullptr};
  nn::Linear teacher_embedding_{nullptr};
  std::shared_ptr<ContrastMemory> student_memory_;
  std::shared_ptr<ContrastMemory> teacher_memory_;
  at::Tensor z_student_;
  at::Tensor z_teacher_;
  /// The embeddings of the batch whose step is under way.
  at::Tensor student_;
  at::Tensor teacher_;
  /// What this step has changed.
  MemoryRows student_before_;
  MemoryRows teacher_before_;
  std::array<double, 2> z_before_{};
};

}  // namespace

at::Tensor crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature) {
  static const auto op = find_operator<decltype(crd_loss)>("retort::crd_loss");
  return op.call(student, teacher, student_memory, teacher_memory, contrast, z_student, z_teacher, temperature);
}

double crd_z(const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  static const auto op = find_operator<decltype(crd_z)>("retort::crd_z");
  return op.call(embeddings, memory, contrast, temperature);
}

at::Tensor crd_contrast(
    const at::Tensor& indices, int64_t rows, int64_t negatives, const std::optional<at::Generator>& generator) {
  static const auto op = find_operator<decltype(checked_crd_contrast)>("retort::crd_contrast");
  return op.call(indices, rows, negatives, generator);
}

std::shared_ptr<Criterion> CrdOptions::build(const FeatureShapes& shapes) const {
  RETORT_CHECK(samples >= 2, "crd_loss: samples must be at least 2 (got ", samples, ")");
  RETORT_CHECK(negatives >= 1, "crd_loss: negatives must be at least 1 (got ", negatives, ")");
  RETORT_CHECK(dimension >= 1, "crd_loss: dimension must be at least 1 (got ", dimension, ")");
  check_positive("crd_loss", "temperature", temperature);
  RETORT_CHECK(momentum >= 0 && momentum < 1, "crd_loss: momentum must be at least 0 and below 1 (got ", momentum, ")");
  RETORT_CHECK(
      shapes.student.size() == 1 && shapes.teacher.size() == 1, "crd_loss: taps must be one of each network (got ",
      shapes.student.size(), " and ", shapes.teacher.size(), ")");
  return std::make_shared<CrdCriterion>(
      *this, c10::multiply_integers(shapes.student[0]), c10::multiply_integers(shapes.teacher[0]));
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def(
      "crd_loss(Tensor student, Tensor teacher, Tensor student_memory, Tensor teacher_memory, Tensor contrast, "
      "float z_student, float z_teacher, float temperature) -> Tensor",
      &checked_crd_loss);
  m.def("crd_z(Tensor embeddings, Tensor memory, Tensor contrast, float temperature) -> float", &checked_crd_z);
  m.def(
      "crd_contrast(Tensor indices, int rows, int negatives, *, Generator? generator=None) -> Tensor",
      &checked_crd_contrast);
  m.def(
      "_crd_forward(Tensor student, Tensor teacher, Tensor student_memory, Tensor teacher_memory, Tensor contrast, "
      "float z_student, float z_teacher, float temperature, bool[2] gradients) -> (Tensor, Tensor[])");
  m.def("_crd_z(Tensor embeddings, Tensor memory, Tensor contrast, float temperature) -> float");
  // `key`, an int64 scalar, decides what is drawn.
  m.def("_crd_contrast(Tensor indices, int rows, int negatives, Tensor key) -> Tensor");
}

}  // namespace retort
