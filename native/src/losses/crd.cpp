#include <ATen/ops/_unique2.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
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
#include <limits>
#include <optional>

#include "io/description.h"
#include "losses/checks.h"
#include "runtime/exit_gate.h"
#include "tensor/operators.h"
#include "tensor/precision.h"
#include "tensor/remember.h"
#include "tensor/rows.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// Shorter embeddings have no direction.
constexpr double kSmallestNorm = 1e-6;

c10::string_view name_of(CrdZ z) {
  switch (z) {
    case CrdZ::kFirstBatch:
      return "first_batch";
    case CrdZ::kFixed:
      return "fixed";
    case CrdZ::kMovingAverage:
      return "moving_average";
  }
  fail("crd_loss: z must be one of CrdZ (got ", static_cast<int>(z), ")");
}

void check_embeddings(const char* function, const char* argument, const at::Tensor& embeddings) {
  check_floating(function, argument, embeddings);
  RETORT_CHECK_AS(
      ShapeError, embeddings.dim() == 2, function, ": ", argument, " must be of shape [batch, dimension] (got ",
      embeddings.sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, embeddings.numel() > 0, function, ": ", argument, " must not be empty (got ", embeddings.sizes(),
      ")");
}

void check_memory(const char* function, const char* argument, const at::Tensor& memory, const at::Tensor& embeddings) {
  check_floating(function, argument, memory);
  RETORT_CHECK_AS(
      ShapeError, memory.dim() == 2 && memory.size(0) > 0 && memory.size(1) == embeddings.size(1), function, ": ",
      argument, " must be of shape [rows, ", embeddings.size(1), "] and not empty (got ", memory.sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, memory.scalar_type() == compute_dtype(embeddings), function, ": ", argument, " must be ",
      compute_dtype(embeddings), " for embeddings of ", embeddings.scalar_type(), " (got ", memory.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, memory.device() == embeddings.device(), function, ": ", argument,
      " must be on the embeddings' device ", embeddings.device(), " (got ", memory.device(), ")");
}

/// All but the values, for which a device has to be waited for.
void check_contrast_fits(const char* function, const at::Tensor& contrast, const at::Tensor& embeddings) {
  RETORT_CHECK_AS(
      ShapeError, contrast.size(0) == embeddings.size(0) && contrast.size(1) >= 2, function,
      ": contrast must be of shape [", embeddings.size(0), ", negatives + 1] (got ", contrast.sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, contrast.device() == embeddings.device(), function, ": contrast must be on the embeddings' device ",
      embeddings.device(), " (got ", contrast.device(), ")");
}

void check_contrast(const char* function, const at::Tensor& contrast, const at::Tensor& embeddings, int64_t rows) {
  check_rows(function, "contrast", contrast, 2, rows);
  check_contrast_fits(function, contrast, embeddings);
}

/// For arguments that were checked.
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
      ShapeError, student_memory.size(0) == teacher_memory.size(0), "crd_loss: memories must have as many rows (got ",
      student_memory.size(0), " and ", teacher_memory.size(0), ")");
  check_contrast("crd_loss", contrast, student, teacher_memory.size(0));
  check_positive("crd_loss", "z_student", z_student);
  check_positive("crd_loss", "z_teacher", z_teacher);
  check_positive("crd_loss", "temperature", temperature);
  return unchecked_crd_loss(
      student, teacher, student_memory, teacher_memory, contrast, z_student, z_teacher, temperature);
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

void check_negatives(const char* function, int64_t negatives) {
  RETORT_CHECK(negatives >= 1, function, ": negatives must be at least 1 (got ", negatives, ")");
  // A row of contrast has one more, the positive.
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max() - 1;
  RETORT_CHECK(negatives <= kLargest, function, ": negatives must be at most ", kLargest, " (got ", negatives, ")");
}

/// A constant that decides what is drawn; on the device, where a kernel reads it.
at::Tensor draw_key(const at::Tensor& indices, std::optional<at::Generator> generator) {
  return at::empty({}, indices.options()).random_(std::move(generator));
}

at::Tensor draw_uniformly(const at::Tensor& indices, int64_t rows, int64_t negatives, const at::Tensor& key) {
  using Contrast = at::Tensor(const at::Tensor&, int64_t, int64_t, const at::Tensor&);
  static const auto contrast = find_operator<Contrast>("retort::_crd_contrast");
  return contrast.call(indices, rows, negatives, key);
}

at::Tensor checked_crd_contrast(
    const at::Tensor& indices, int64_t rows, int64_t negatives, std::optional<at::Generator> generator) {
  RETORT_CHECK(rows >= 2, "crd_contrast: rows must be at least 2 (got ", rows, ")");
  check_negatives("crd_contrast", negatives);
  check_rows("crd_contrast", "indices", indices, 1, rows);
  return draw_uniformly(indices, rows, negatives, draw_key(indices, std::move(generator)));
}

/// The rows of each class side by side, so that those of all other classes are two ranges.
struct ClassTable {
  explicit ClassTable(const at::Tensor& of_rows) {
    const auto [values, inverse, counts] =
        at::_unique2(of_rows, /*sorted=*/true, /*return_inverse=*/true, /*return_counts=*/true);
    classes = inverse.contiguous();
    order = classes.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    starts = at::cat({at::zeros({1}, counts.options()), counts.cumsum(0)});
  }

  void move_to(c10::Device device) {
    for (at::Tensor* table : {&classes, &order, &starts}) *table = table->to(device);
  }

  /// int64 [M], the class of each row, from 0 on.
  at::Tensor classes;
  /// int64 [M], the rows in the order of their classes.
  at::Tensor order;
  /// int64 [classes + 1], where each class begins in `order`.
  at::Tensor starts;
};

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
    student_memory_ = register_module("student_memory", std::make_shared<ContrastMemory>(rows, options.dimension));
    teacher_memory_ = register_module("teacher_memory", std::make_shared<ContrastMemory>(rows, options.dimension));
    const bool is_fixed = options.z == CrdZ::kFixed;
    z_student_ = KnownNumber(register_buffer("z_student", at::scalar_tensor(is_fixed ? options.z_student : 0.0)));
    z_teacher_ = KnownNumber(register_buffer("z_teacher", at::scalar_tensor(is_fixed ? options.z_teacher : 0.0)));
    if (options.queue > 0) oldest_ = register_buffer("oldest", at::zeros({}, at::kLong));
    if (options.classes.defined()) classes_.emplace(options.classes);
  }

  void check_batch(const CriterionInput& input) const override {
    if (options_.queue == 0) check_rows("crd_loss", "indices", input.indices, 1, rows());
    if (input.contrast.defined()) check_rows("crd_loss", "contrast", input.contrast, 2, rows());
  }

  void draw(const CriterionInput& input) override {
    if (input.contrast.defined()) return;
    if (!key_.defined()) key_ = at::empty({}, z_student_.buffer().options().dtype(at::kLong));
    key_.random_();
  }

  at::Tensor forward(const CriterionInput& input) override {
    const at::Tensor student = embed(student_embedding_, input.student.at(0));
    const at::Tensor teacher = embed(teacher_embedding_, input.teacher.at(0));
    indices_ = options_.queue == 0 ? input.indices : next_rows(student);
    student_ = student.detach();
    teacher_ = teacher.detach();
    // The queue's positives are this batch's own embeddings, which must be there to be compared with.
    if (options_.queue > 0) update_memories(0);
    const at::Tensor contrast = input.contrast.defined() ? input.contrast : drawn();
    // Values are looked at where nobody has to be waited for.
    contrast.is_cpu() ? check_contrast("crd_loss", contrast, student, rows())
                      : check_contrast_fits("crd_loss", contrast, student);
    const double z_student = z(z_student_, "z_student", student, *teacher_memory_, contrast);
    const double z_teacher = z(z_teacher_, "z_teacher", teacher, *student_memory_, contrast);
    return unchecked_crd_loss(
        student, teacher, student_memory_->embeddings(), teacher_memory_->embeddings(), contrast, z_student, z_teacher,
        options_.temperature);
  }

  void after_step(const CriterionInput& /*input*/) override {
    if (options_.queue == 0) {
      update_memories(options_.momentum);
    } else {
      oldest_.add_(indices_.size(0)).remainder_(options_.queue);
    }
  }

  void snapshot() override {
    const at::NoGradGuard no_grad;
    before_.emplace();
    before_->z_student = z_student_.value();
    before_->z_teacher = z_teacher_.value();
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
  /// A number in a buffer, of which the last value that was read or set is known without asking the device.
  class KnownNumber {
   public:
    explicit KnownNumber(at::Tensor buffer = {}) : buffer_(std::move(buffer)) {}

    double value() {
      // Somebody else may have written into it, as loading a checkpoint does.
      if (buffer_.is_inference() || version_ != buffer_._version()) remember(buffer_.item<double>());
      return value_;
    }

    void set(double value) {
      if (value == this->value()) return;
      buffer_.fill_(value);
      remember(value);
    }

    const at::Tensor& buffer() const { return buffer_; }

   private:
    void remember(double value) {
      value_ = value;
      if (!buffer_.is_inference()) version_ = buffer_._version();
    }

    at::Tensor buffer_;
    double value_ = 0;
    int64_t version_ = -1;
  };

  /// What is to be put back: the numbers as they were at the snapshot, and what rows held before each change since.
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

  /// The queue's rows that the batch's embeddings replace.
  at::Tensor next_rows(const at::Tensor& embeddings) const {
    const int64_t batch = embeddings.size(0);
    RETORT_CHECK_AS(
        ShapeError, batch <= rows(), "crd_loss: batch must be at most the queue's ", rows(), " rows (got ", batch, ")");
    // Module::to(dtype) converts even this buffer.
    const at::Tensor first = oldest_.to(at::kLong);
    return (at::arange(batch, first.options()) + first).remainder(rows());
  }

  at::Tensor drawn() {
    RETORT_CHECK(key_.defined(), "crd_loss: draw must be called before forward (got nothing drawn)");
    if (indices_.is_cpu()) check_rows("crd_loss", "indices", indices_, 1, rows());
    if (!classes_) return draw_uniformly(indices_, rows(), options_.negatives, key_);
    classes_->move_to(indices_.device());  // where they stay
    return draw_by_class(indices_, *classes_, options_.negatives, options_.relaxed, key_);
  }

  void update_memories(double momentum) {
    const auto update = [&](ContrastMemory& memory, const at::Tensor& embeddings) {
      // The step knows its rows, and finds what is not finite in the loss.
      return indices_.is_cpu() ? memory.update(indices_, embeddings, momentum)
                               : memory.unchecked_update(indices_, embeddings, momentum);
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
    const double estimate = crd_z(embeddings, memory.embeddings(), contrast, options_.temperature);
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
  /// The memories' rows and the embeddings of the batch whose step is under way.
  at::Tensor indices_;
  at::Tensor student_;
  at::Tensor teacher_;
  std::optional<Before> before_;
  /// Always at the same place, from which a CUDA graph may read it.
  at::Tensor oldest_before_;
};

void check_z(const CrdOptions& options) {
  name_of(options.z);
  if (options.z == CrdZ::kFixed) {
    check_positive("crd_loss", "z_student", options.z_student);
    check_positive("crd_loss", "z_teacher", options.z_teacher);
  }
  RETORT_CHECK(
      options.z != CrdZ::kMovingAverage || (options.z_momentum >= 0 && options.z_momentum < 1),
      "crd_loss: z_momentum must be at least 0 and below 1 (got ", options.z_momentum, ")");
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
  check_z(*this);
  check_negatives("crd_loss", negatives);
  RETORT_CHECK(dimension >= 1, "crd_loss: dimension must be at least 1 (got ", dimension, ")");
  check_positive("crd_loss", "temperature", temperature);
  RETORT_CHECK(momentum >= 0 && momentum < 1, "crd_loss: momentum must be at least 0 and below 1 (got ", momentum, ")");
  RETORT_CHECK(
      shapes.student.size() == 1 && shapes.teacher.size() == 1, "crd_loss: taps must be one of each network (got ",
      shapes.student.size(), " and ", shapes.teacher.size(), ")");
  return std::make_shared<CrdCriterion>(
      *this, c10::multiply_integers(shapes.student[0]), c10::multiply_integers(shapes.teacher[0]));
}

std::string CrdOptions::description() const {
  return describe(
      "crd_loss", {{"samples", samples},
                   {"queue", queue},
                   {"classes", classes},
                   {"relaxed", relaxed},
                   {"negatives", negatives},
                   {"dimension", dimension},
                   {"temperature", temperature},
                   {"momentum", momentum},
                   {"z", name_of(z)},
                   {"z_student", z_student},
                   {"z_teacher", z_teacher},
                   {"z_momentum", z_momentum}});
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
      "crd_class_contrast(Tensor indices, Tensor classes, int negatives, *, bool relaxed=False, "
      "Generator? generator=None) -> Tensor",
      &checked_crd_class_contrast);
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
