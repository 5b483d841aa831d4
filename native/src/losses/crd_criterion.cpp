// crd_loss as a part of training steps, with its embeddings and memories.
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>
#include <retort/distributed/whole_batch.h>
#include <retort/losses/crd.h>
#include <retort/memory/contrast_memory.h>
#include <torch/nn/modules/linear.h>

#include <optional>

#include "losses/crd.h"
#include "losses/known_number.h"
#include "losses/option_list.h"
#include "tensor/check.h"
#include "tensor/numbers.h"
#include "tensor/precision.h"
#include "tensor/remember.h"
#include "tensor/rows.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// Shorter embeddings have no direction.
constexpr double kSmallestNorm = 1e-6;

constexpr auto kZs = names_of<CrdZ>("crd_loss", "z", "CrdZ", "first_batch", "fixed", "moving_average");

constexpr auto kMemoryDtypes =
    names_of<CrdMemoryDtype>("crd_loss", "memory_dtype", "CrdMemoryDtype", "float32", "bfloat16");

at::ScalarType scalar_type_of(CrdMemoryDtype dtype) {
  return dtype == CrdMemoryDtype::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

constexpr OptionList kOptions("crd_loss", [](const CrdOptions& options, const auto& visit) {
  const auto below_one_if_used = [&](const char* function, const char* name, double value) {
    if (options.z == CrdZ::kMovingAverage) kBelowOne(function, name, value);
  };
  const auto positive_if_used = [&](const char* function, const char* name, double value) {
    if (options.z == CrdZ::kFixed) kPositive(function, name, value);
  };
  visit("samples", options.samples);
  visit("queue", options.queue);
  visit("classes", options.classes);
  visit("relaxed", options.relaxed);
  visit("negatives", options.negatives, [](const char* function, const char* /*name*/, int64_t value) {
    check_negatives(function, value);
  });
  visit("dimension", options.dimension, kAtLeastOne);
  visit("temperature", options.temperature, kPositive);
  visit("momentum", options.momentum, kBelowOne);
  visit(kMemoryDtypes, options.memory_dtype);
  visit(kZs, options.z);
  visit("z_student", options.z_student, positive_if_used);
  visit("z_teacher", options.z_teacher, positive_if_used);
  visit("z_momentum", options.z_momentum, below_one_if_used);
});

/// Rows divided by their lengths. What has no direction becomes zero, without a gradient; NaN stays NaN.
at::Tensor unit_rows(const at::Tensor& rows) {
  const at::Tensor length = at::linalg_vector_norm(rows, 2, at::IntArrayRef{1}, /*keepdim=*/true);
  const at::Tensor is_short = length < kSmallestNorm;
  return at::where(is_short, 0, rows / at::where(is_short, 1, length));
}

class CrdCriterion final : public Criterion {
 public:
  CrdCriterion(const CrdOptions& options, int64_t student_width, int64_t teacher_width) : options_(options) {
    const int64_t rows = options.queue > 0 ? options.queue : options.samples;
    student_embedding_ = register_module("student_embedding", nn::Linear(student_width, options.dimension));
    teacher_embedding_ = register_module("teacher_embedding", nn::Linear(teacher_width, options.dimension));
    const auto memory = [&] {
      return std::make_shared<ContrastMemory>(rows, options.dimension, scalar_type_of(options.memory_dtype));
    };
    student_memory_ = register_module("student_memory", memory());
    teacher_memory_ = register_module("teacher_memory", memory());
    const bool is_fixed = options.z == CrdZ::kFixed;
    z_student_ = KnownNumber(register_buffer("z_student", at::scalar_tensor(is_fixed ? options.z_student : 0.0)));
    z_teacher_ = KnownNumber(register_buffer("z_teacher", at::scalar_tensor(is_fixed ? options.z_teacher : 0.0)));
    if (options.queue > 0) oldest_ = register_buffer("oldest", at::zeros({}, at::kLong));
    if (options.classes.defined()) classes_.emplace(options.classes);
  }

  void check_batch(const CriterionBatch& batch) const override {
    if (options_.queue == 0) check_rows("crd_loss", "indices", batch.indices, 1, rows());
    if (batch.contrast.defined()) check_rows("crd_loss", "contrast", batch.contrast, 2, rows());
  }

  void draw(const CriterionBatch& batch) override {
    if (batch.contrast.defined()) return;
    if (!key_.defined()) key_ = at::empty({}, z_student_.buffer().options().dtype(at::kLong));
    // By the same key all ranks draw what one process would.
    if (!batch.whole || batch.whole->is_first_rank()) key_.random_();
    if (batch.whole) key_.copy_(batch.whole->of_first(key_));
  }

  at::Tensor forward(const CriterionInput& input) override {
    const at::Tensor student = embed(student_embedding_, input.student.at(0));
    const at::Tensor teacher = embed(teacher_embedding_, input.teacher.at(0));
    whole_ = input.whole;
    student_ = student.detach();
    teacher_ = teacher.detach();
    const at::Tensor own = options_.queue == 0 ? input.indices : next_rows(student);
    // The queue's positives are this batch's own embeddings, which must be there to be compared with.
    if (options_.queue > 0) update_memories(own, 0);
    const at::Tensor contrast = input.contrast.defined() ? input.contrast : drawn(own);
    // Values are checked only where that does not wait for a device.
    contrast.is_cpu() ? check_contrast("crd_loss", contrast, student, rows())
                      : check_contrast_fits("crd_loss", contrast, student);
    const double z_student = z(z_student_, "z_student", student, *teacher_memory_, contrast);
    const double z_teacher = z(z_teacher_, "z_teacher", teacher, *student_memory_, contrast);
    return unchecked_crd_loss(
        student, teacher, student_memory_->embeddings(), teacher_memory_->embeddings(), contrast, z_student, z_teacher,
        options_.temperature);
  }

  void after_step(const CriterionInput& input) override {
    if (options_.queue == 0) {
      update_memories(input.indices, options_.momentum);
    } else {
      oldest_.add_(whole_ ? whole_->samples() : student_.size(0)).remainder_(options_.queue);
    }
    whole_ = nullptr;
  }

  // Memories and Z are computed from the whole batch.
  std::vector<at::Tensor> buffers_of_own_batch() const override { return {}; }

  void snapshot() override {
    const at::NoGradGuard no_grad;
    before_ = Before{{}, {}, z_student_.value(), z_teacher_.value()};
    if (oldest_.defined()) remember(oldest_before_, oldest_);
  }

  void restore() override {
    if (!before_) return;
    const at::NoGradGuard no_grad;
    for (auto rows = before_->student.rbegin(); rows != before_->student.rend(); ++rows) student_memory_->assign(*rows);
    for (auto rows = before_->teacher.rbegin(); rows != before_->teacher.rend(); ++rows) teacher_memory_->assign(*rows);
    z_student_.set(before_->z_student);
    z_teacher_.set(before_->z_teacher);
    if (oldest_.defined()) oldest_.copy_(oldest_before_);
  }

  std::string obstacle_to_graph() const override {
    return options_.z == CrdZ::kMovingAverage ? "crd_loss: z is a moving average" : "";
  }

 private:
  /// What a roll back restores: the numbers as they were at the snapshot, and what rows held before each change since.
  struct Before {
    std::vector<MemoryRows> student;
    std::vector<MemoryRows> teacher;
    double z_student = 0;
    double z_teacher = 0;
  };

  static at::Tensor embed(nn::Linear& linear, const at::Tensor& features) {
    return unit_rows(linear(features.flatten(1).to(linear->weight.scalar_type())));
  }

  int64_t rows() const { return student_memory_->embeddings().size(0); }

  /// The queue's rows that the embeddings of this part of the batch replace.
  at::Tensor next_rows(const at::Tensor& embeddings) const {
    const int64_t part = embeddings.size(0);
    const int64_t batch = whole_ ? whole_->samples() : part;
    RETORT_CHECK_AS(
        ShapeError, batch <= rows(), "crd_loss: batch must be at most the queue's ", rows(), " rows (got ", batch, ")");
    // Module::to(dtype) converts even this buffer.
    const at::Tensor first = oldest_.to(at::kLong) + (whole_ ? whole_->first() : 0);
    return (at::arange(part, first.options()) + first).remainder(rows());
  }

  /// @param own the samples' rows
  at::Tensor drawn(const at::Tensor& own) {
    RETORT_CHECK(key_.defined(), "crd_loss: draw must be called before forward (got nothing drawn)");
    if (own.is_cpu()) check_rows("crd_loss", "indices", own, 1, rows());
    if (!classes_) return draw_uniformly(own, rows(), options_.negatives, key_);
    classes_->move_to(own.device());  // where they stay
    return draw_by_class(own, *classes_, options_.negatives, options_.relaxed, key_);
  }

  /// Of all ranks, whose memories stay the same.
  at::Tensor of_whole_batch(const at::Tensor& part) const { return whole_ ? whole_->gather(part) : part; }

  /// @param own the samples' rows
  void update_memories(const at::Tensor& own, double momentum) {
    const at::Tensor indices = of_whole_batch(own);
    const auto update = [&](ContrastMemory& memory, const at::Tensor& part) {
      const at::Tensor embeddings = of_whole_batch(part).to(compute_dtype(memory.embeddings()));
      // The step knows its rows, and finds what is not finite in the loss.
      return indices.is_cpu() ? memory.update(indices, embeddings, momentum)
                              : memory.unchecked_update(indices, embeddings, momentum);
    };
    const MemoryRows student = update(*student_memory_, student_);
    if (before_) before_->student.push_back(student);
    const MemoryRows teacher = update(*teacher_memory_, teacher_);
    if (before_) before_->teacher.push_back(teacher);
  }

  /// Z of this batch, which the buffer keeps.
  double z(
      KnownNumber& known, const char* name, const at::Tensor& embeddings, const ContrastMemory& memory,
      const at::Tensor& contrast) {
    const double before = known.value();
    if (before != 0 && options_.z != CrdZ::kMovingAverage) return before;
    const at::NoGradGuard no_grad;
    double estimate = crd_z(embeddings, memory.embeddings(), contrast, options_.temperature);
    if (whole_) {
      const double part = static_cast<double>(embeddings.size(0)) / static_cast<double>(whole_->samples());
      estimate = whole_->sum(at::full({}, estimate * part, embeddings.options().dtype(at::kDouble))).item<double>();
    }
    const double z = before == 0 ? estimate : options_.z_momentum * before + (1 - options_.z_momentum) * estimate;
    const double rounded = at::scalar_tensor(z, at::kDouble).to(known.buffer().scalar_type()).item<double>();
    check_positive<NonFiniteError>("crd_loss", name, rounded);
    known.set(rounded);
    return rounded;
  }

  CrdOptions options_;
  nn::Linear student_embedding_{nullptr};
  nn::Linear teacher_embedding_{nullptr};
  std::shared_ptr<ContrastMemory> student_memory_;
  std::shared_ptr<ContrastMemory> teacher_memory_;
  KnownNumber z_student_;
  KnownNumber z_teacher_;
  at::Tensor oldest_;
  std::optional<ClassTable> classes_;
  /// Decides what the next batch's negatives are.
  at::Tensor key_;
  /// Of the step under way: the batch of all ranks, if there are several, and the embeddings.
  const WholeBatch* whole_ = nullptr;
  at::Tensor student_;
  at::Tensor teacher_;
  std::optional<Before> before_;
  /// Always at the same place, from which a CUDA graph may read it.
  at::Tensor oldest_before_;
};

}  // namespace

std::shared_ptr<Criterion> CrdOptions::build(const FeatureShapes& shapes) const {
  if (queue == 0) {
    RETORT_CHECK(samples >= 2, "crd_loss: samples must be at least 2 (got ", samples, ")");
  } else {
    RETORT_CHECK(queue >= 2, "crd_loss: queue must be at least 2, or 0 for none (got ", queue, ")");
    RETORT_CHECK(samples == 0, "crd_loss: samples must be 0 where there is a queue (got ", samples, ")");
    RETORT_CHECK(
        !classes.defined(), "crd_loss: classes must be undefined where there is a queue (got ", classes.sizes(), ")");
  }
  if (classes.defined()) {
    check_classes("crd_loss", classes);
    RETORT_CHECK_AS(
        ShapeError, classes.size(0) == samples, "crd_loss: classes must be of shape [", samples, "] (got ",
        classes.sizes(), ")");
  }
  RETORT_CHECK_AS(
      ShapeError, !relaxed || classes.defined(),
      "crd_loss: classes must be given for relaxed positives (got an undefined tensor)");
  kOptions.check(*this);
  RETORT_CHECK(
      shapes.student.size() == 1 && shapes.teacher.size() == 1, "crd_loss: taps must be one of each network (got ",
      shapes.student.size(), " and ", shapes.teacher.size(), ")");
  return std::make_shared<CrdCriterion>(
      *this, c10::multiply_integers(shapes.student[0]), c10::multiply_integers(shapes.teacher[0]));
}

std::string CrdOptions::description() const {
  return kOptions.describe(*this);
}

}  // namespace retort
