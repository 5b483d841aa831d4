#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/Generator.h>
#include <c10/core/InferenceMode.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <set>
#include <utility>

#include "models/module_mode.h"
#include "train/sgd.h"
#include "util/check.h"
#include "util/convert.h"
#include "util/finite.h"
#include "util/labels.h"

namespace retort {
namespace {

constexpr const char* kName = "TrainingStep";

/// A term with everything it was built into.
struct BoundTerm {
  double weight;
  std::shared_ptr<Criterion> criterion;
  std::vector<int64_t> student_taps;
  std::vector<int64_t> teacher_taps;
};

std::vector<at::Tensor> select(const std::vector<at::Tensor>& features, const std::vector<int64_t>& taps) {
  std::vector<at::Tensor> selected;
  selected.reserve(taps.size());
  for (int64_t tap : taps) selected.push_back(features[static_cast<size_t>(tap)]);
  return selected;
}

/// The state of a generator, to be put back if a step fails.
class GeneratorSnapshot {
 public:
  explicit GeneratorSnapshot(at::Generator generator) : generator_(std::move(generator)) {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    state_ = generator_.get_state();
  }

  void restore() {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    generator_.set_state(state_);
  }

 private:
  at::Generator generator_;
  at::Tensor state_;
};

void check_finite(const std::string& what, double loss) {
  // Whether a NaN has a sign depends on the machine.
  RETORT_CHECK(
      std::isfinite(loss), kName, ": ", what, " must be finite (got ", std::isnan(loss) ? std::fabs(loss) : loss, ")");
}

void check_weight(const char* what, double weight) {
  RETORT_CHECK(
      weight >= 0 && std::isfinite(weight), kName, ": ", what, " must be at least 0 and finite (got ", weight, ")");
}

}  // namespace

struct TrainingStep::Impl {
  explicit Impl(TrainingStepOptions given);

  void run(const Batch& batch, StepResult& result);
  /// The forward and backward pass and the update, all that may fail; returns what it computed.
  StepResult attempt(const Batch& batch);
  /// The teacher's output as constants, in the student's dtype and on its device.
  NetworkOutput teach(const at::Tensor& images);
  /// The gradients of the trained parameters, undefined where the loss does not depend on one.
  std::vector<at::Tensor> differentiate(const at::Tensor& total) const;
  int64_t check(const Batch& batch) const;
  std::vector<std::pair<std::string, at::Tensor>> trainable() const;

  TrainingStepOptions options;
  std::vector<BoundTerm> terms;
  std::unique_ptr<Sgd> sgd;
  std::vector<std::string> parameter_names;
  at::TensorOptions student_tensors;
  int64_t classes = 0;
  int64_t steps = 0;
  std::mutex mutex;
};

TrainingStep::Impl::Impl(TrainingStepOptions given) : options(std::move(given)) {
  RETORT_CHECK(options.student, kName, ": student must be given (got null)");
  RETORT_CHECK(options.teacher || options.terms.empty(), kName, ": teacher must be given with terms (got null)");
  RETORT_CHECK(
      options.teacher != options.student, kName, ": teacher must be another network than the student (got the same)");
  check_weight("weight of the cross-entropy", options.cross_entropy);
  RETORT_CHECK(
      options.cross_entropy > 0 || !options.terms.empty(), kName, ": loss must have at least one part (got none)");

  options.student->probe(options.input_shape);
  if (options.teacher) options.teacher->probe(options.input_shape);
  student_tensors = options.student->tensor_options();
  classes = options.student->classes();

  for (const Term& term : options.terms) {
    check_weight("weight of a term", term.weight);
    RETORT_CHECK(term.criterion, kName, ": criterion of a term must be given (got null)");
    FeatureShapes shapes;
    BoundTerm bound{term.weight, nullptr, {}, {}};
    for (const std::string& tap : term.student_taps) {
      shapes.student.push_back(options.student->tap_shape(tap));
      bound.student_taps.push_back(options.student->tap_index(tap));
    }
    for (const std::string& tap : term.teacher_taps) {
      shapes.teacher.push_back(options.teacher->tap_shape(tap));
      bound.teacher_taps.push_back(options.teacher->tap_index(tap));
    }
    bound.criterion = term.criterion->build(shapes);
    bound.criterion->to(student_tensors.device());
    convert_floating_point(*bound.criterion, student_tensors.dtype() == at::kDouble ? at::kDouble : at::kFloat);
    terms.push_back(std::move(bound));
  }

  std::vector<at::Tensor> parameters;
  for (const auto& [name, parameter] : trainable()) {
    parameter_names.push_back(name);
    parameters.push_back(parameter);
  }
  RETORT_CHECK(!parameters.empty(), kName, ": student must have a parameter that requires a gradient (got none)");
  sgd = std::make_unique<Sgd>(options.optimizer, std::move(parameters));
}

std::vector<std::pair<std::string, at::Tensor>> TrainingStep::Impl::trainable() const {
  std::vector<std::pair<std::string, at::Tensor>> found;
  std::set<const at::TensorImpl*> seen;  // a parameter may be shared under several names
  const auto add = [&](const std::string& prefix, const torch::nn::Module& module) {
    for (const auto& entry : module.named_parameters()) {
      const at::Tensor& parameter = entry.value();
      if (!parameter.requires_grad() || !seen.insert(parameter.unsafeGetTensorImpl()).second) continue;
      found.emplace_back(prefix + entry.key(), parameter);
    }
  };
  add("student.", *options.student);
  for (size_t i = 0; i < terms.size(); ++i) add("terms." + std::to_string(i) + ".", *terms[i].criterion);
  return found;
}

int64_t TrainingStep::Impl::check(const Batch& batch) const {
  const at::Tensor& images = batch.images;
  RETORT_CHECK(images.defined(), kName, ": images must be given (got an undefined tensor)");
  RETORT_CHECK(
      images.dim() == static_cast<int64_t>(options.input_shape.size()) + 1 &&
          images.sizes().slice(1) == at::IntArrayRef(options.input_shape),
      kName, ": images must be of shape [batch, ", c10::Join(", ", options.input_shape), "] (got ", images.sizes(),
      ")");
  RETORT_CHECK(images.size(0) > 0, kName, ": images must not be empty (got ", images.sizes(), ")");
  RETORT_CHECK(
      images.dtype() == student_tensors.dtype(), kName, ": images must be of the student's dtype ",
      student_tensors.dtype().toScalarType(), " (got ", images.scalar_type(), ")");
  RETORT_CHECK(
      images.device() == student_tensors.device(), kName, ": images must be on the student's device ",
      student_tensors.device(), " (got ", images.device(), ")");
  const at::ScalarType dtype = sgd->parameters().front().scalar_type();
  RETORT_CHECK(
      dtype == student_tensors.dtype().toScalarType(), kName,
      ": student must keep the dtype it had when the step was built, ", student_tensors.dtype().toScalarType(),
      " (got ", dtype, ")");
  for (const auto& [name, rows, rank] :
       {std::tuple{"indices", &batch.indices, 1}, std::tuple{"contrast", &batch.contrast, 2}}) {
    if (!rows->defined()) continue;
    RETORT_CHECK(rows->scalar_type() == at::kLong, kName, ": ", name, " must be int64 (got ", rows->scalar_type(), ")");
    RETORT_CHECK(
        rows->dim() == rank && rows->size(0) == images.size(0), kName, ": ", name, " must be of rank ", rank,
        " with the batch of ", images.size(0), " first (got ", rows->sizes(), ")");
  }
  if (!batch.labels.defined() && options.cross_entropy == 0) return 0;
  return check_labels(kName, batch.labels, images.size(0), classes);
}

void TrainingStep::Impl::run(const Batch& batch, StepResult& result) {
  const std::lock_guard<std::mutex> this_step(mutex);
  std::unique_lock<std::mutex> student(options.student->mutex(), std::defer_lock);
  std::unique_lock<std::mutex> teacher;
  if (options.teacher) {
    // Both at once: another step may use the same two the other way round.
    teacher = std::unique_lock<std::mutex>(options.teacher->mutex(), std::defer_lock);
    std::lock(student, teacher);
  } else {
    student.lock();
  }

  options.student->snapshot();
  if (options.teacher) options.teacher->snapshot();
  for (const BoundTerm& term : terms) term.criterion->snapshot();
  GeneratorSnapshot generator(at::globalContext().defaultGenerator(student_tensors.device()));
  try {
    StepResult computed = attempt(batch);
    ++steps;
    std::swap(result, computed);
  } catch (...) {
    options.student->restore();
    if (options.teacher) options.teacher->restore();
    for (const BoundTerm& term : terms) term.criterion->restore();
    generator.restore();
    throw;
  }
}

StepResult TrainingStep::Impl::attempt(const Batch& batch) {
  StepResult result;
  result.labeled = check(batch);
  const c10::InferenceMode no_inference(false);
  const at::AutoGradMode with_gradients(true);

  const NetworkOutput taught = terms.empty() ? NetworkOutput() : teach(batch.images);
  const ModuleMode training(*options.student, /*training=*/true);
  const NetworkOutput learned = options.student->forward(batch.images);

  at::Tensor total = at::zeros({}, student_tensors);
  if (options.cross_entropy > 0 && result.labeled > 0) {
    const at::Tensor sum =
        at::cross_entropy_loss(learned.logits, batch.labels, {}, at::Reduction::Sum, /*ignore_index=*/-1);
    const at::Tensor mean = sum / static_cast<double>(result.labeled);
    result.cross_entropy = mean.item<double>();
    total = total + options.cross_entropy * mean;
  }
  std::vector<CriterionInput> inputs;
  for (const BoundTerm& term : terms) {
    inputs.push_back(
        {select(learned.features, term.student_taps), select(taught.features, term.teacher_taps), learned.logits,
         taught.logits, batch.labels, batch.indices, batch.contrast, {}});
    const at::Tensor loss = term.criterion->forward(inputs.back());
    RETORT_CHECK(
        loss.defined() && loss.numel() == 1, kName, ": loss of term ", result.terms.size(), " must be a scalar (got ",
        loss.defined() ? c10::str(loss.sizes()) : "an undefined tensor", ")");
    result.terms.push_back(loss.item<double>());
    check_finite("loss of term " + std::to_string(result.terms.size() - 1), result.terms.back());
    total = total + term.weight * loss.reshape({});
  }
  result.total = total.item<double>();
  check_finite("loss", result.total);

  const bool is_constant = result.labeled == 0 && terms.empty();
  const std::vector<at::Tensor> gradients =
      is_constant ? std::vector<at::Tensor>(sgd->parameters().size()) : differentiate(total);

  const at::NoGradGuard no_gradients;
  if (batch.labels.defined()) result.correct = count_correct(learned.logits, batch.labels);
  result.learning_rate = sgd->learning_rate(steps);
  for (size_t i = 0; i < terms.size(); ++i) terms[i].criterion->after_step(inputs[i]);
  // Last, since it works in place and nothing in it can fail.
  sgd->update(gradients, steps);
  return result;
}

NetworkOutput TrainingStep::Impl::teach(const at::Tensor& images) {
  const at::NoGradGuard no_gradients;
  const ModuleMode evaluation(*options.teacher, /*training=*/false);
  NetworkOutput taught = options.teacher->forward(images.to(options.teacher->tensor_options()));
  const auto like_student = [this](at::Tensor& tensor) {
    if (tensor.is_floating_point()) tensor = tensor.to(student_tensors);
  };
  like_student(taught.logits);
  for (at::Tensor& feature : taught.features) like_student(feature);
  return taught;
}

std::vector<at::Tensor> TrainingStep::Impl::differentiate(const at::Tensor& total) const {
  RETORT_CHECK(total.requires_grad(), kName, ": loss must depend on a parameter that is trained (got a constant)");
  std::vector<at::Tensor> gradients = torch::autograd::grad(
      {total}, sgd->parameters(), /*grad_outputs=*/{}, /*retain_graph=*/std::nullopt, /*create_graph=*/false,
      /*allow_unused=*/true);
  for (size_t i = 0; i < gradients.size(); ++i) {
    RETORT_CHECK(
        !gradients[i].defined() || all_finite(gradients[i]), kName, ": gradient of ", parameter_names[i],
        " must be finite (got inf or nan)");
  }
  return gradients;
}

TrainingStep::TrainingStep(TrainingStepOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

TrainingStep::~TrainingStep() = default;

void TrainingStep::run(const Batch& batch, StepResult& result) {
  impl_->run(batch, result);
}

const std::vector<int64_t>& TrainingStep::input_shape() const {
  return impl_->options.input_shape;
}

int64_t TrainingStep::steps() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->steps;
}

double TrainingStep::learning_rate() const {
  return impl_->sgd->learning_rate(steps());
}

int64_t TrainingStep::term_count() const {
  return static_cast<int64_t>(impl_->terms.size());
}

std::shared_ptr<Criterion> TrainingStep::criterion(int64_t term) const {
  RETORT_CHECK(
      term >= 0 && term < term_count(), kName, ": term must be between 0 and ", term_count() - 1, " (got ", term, ")");
  return impl_->terms[static_cast<size_t>(term)].criterion;
}

torch::OrderedDict<std::string, at::Tensor> TrainingStep::state() const {
  torch::OrderedDict<std::string, at::Tensor> state;
  for (const auto& entry : impl_->options.student->state_dict()) state.insert("student." + entry.key(), entry.value());
  for (size_t i = 0; i < impl_->terms.size(); ++i) {
    const std::string prefix = "terms." + std::to_string(i) + ".";
    const Criterion& criterion = *impl_->terms[i].criterion;
    for (const auto& entry : criterion.named_parameters()) state.insert(prefix + entry.key(), entry.value().detach());
    for (const auto& entry : criterion.named_buffers()) state.insert(prefix + entry.key(), entry.value());
  }
  for (size_t i = 0; i < impl_->sgd->momentum().size(); ++i) {
    state.insert("momentum." + impl_->parameter_names[i], impl_->sgd->momentum()[i]);
  }
  return state;
}

}  // namespace retort
