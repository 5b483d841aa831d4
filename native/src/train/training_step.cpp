#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/exit_gate.h"
#include "runtime/stopwatch.h"
#include "runtime/threads.h"
#include "tensor/check.h"
#include "tensor/labels.h"
#include "tensor/numbers.h"
#include "tensor/parameters.h"
#include "train/autocast.h"
#include "train/training_step_impl.h"

namespace retort {
namespace {

constexpr const char* kName = "TrainingStep";

std::vector<at::Tensor> select(const std::vector<at::Tensor>& features, const std::vector<int64_t>& taps) {
  std::vector<at::Tensor> selected;
  selected.reserve(taps.size());
  for (int64_t tap : taps) selected.push_back(features[static_cast<size_t>(tap)]);
  return selected;
}

std::vector<const Stage*> stages_of(const TrainingStepOptions& options) {
  std::vector<const Stage*> stages = {&options};
  for (const Stage& stage : options.later_stages) stages.push_back(&stage);
  for (const Stage* stage : stages) {
    const bool is_last = stage == stages.back();
    RETORT_CHECK(
        is_last ? stage->steps == 0 : stage->steps > 0, kName, ": steps of a stage must be ",
        is_last ? "0 for the last" : "positive for all but the last", " (got ", stage->steps, ")");
  }
  return stages;
}

void check_limit(const char* what, double limit) {
  RETORT_CHECK(
      limit >= 0 && std::isfinite(limit), kName, ": ", what, " must be positive and finite, or 0 for no limit (got ",
      limit, ")");
}

/// Probes the networks, for members that need their shapes; returns the shape of one input.
std::vector<int64_t> probe(const TrainingStepOptions& options) {
  RETORT_CHECK(options.student, kName, ": student must be given (got null)");
  RETORT_CHECK(
      options.teacher != options.student, kName, ": teacher must be another network than the student (got the same)");
  options.student->probe(options.input_shape);
  if (options.teacher) options.teacher->probe(options.input_shape);
  return options.input_shape;
}

}  // namespace

TrainingStep::Impl::Lock::Lock(Impl& step, bool with_networks)
    : impl_(step), step_(step.mutex), student_(step.options.student->mutex(), std::defer_lock) {
  if (!with_networks) return;
  if (step.options.teacher) {
    // Both at once: another step may use the same two the other way round.
    teacher_ = std::unique_lock<std::mutex>(step.options.teacher->mutex(), std::defer_lock);
    std::lock(student_, teacher_);
  } else {
    student_.lock();
  }
}

TrainingStep::Impl::Lock::~Lock() {
  if (!impl_.deferred) return;
  try {
    impl_.deferred->order.leave();
  } catch (const std::exception&) {
    // A device that is lost, of which the next call tells.
  }
}

TrainingStep::Impl::Impl(TrainingStepOptions given)
    : options(std::move(given)),
      images(options.images, probe(options)),
      staging(options.student->tensor_options().device()),
      student_format(options.student_format) {
  student_tensors = options.student->tensor_options();
  classes = options.student->classes();
  sample_of_student = first_floating_point(*options.student);
  RETORT_CHECK(options.accumulate >= 1, kName, ": accumulate must be at least 1 (got ", options.accumulate, ")");
  check_limit("limit of the gradient's norm", options.clip_norm);
  check_limit("limit of a gradient's values", options.clip_value);
  for (MemoryFormat format : {options.student_format, options.teacher_format}) {
    RETORT_CHECK_AS(
        ShapeError, format == MemoryFormat::kContiguous || options.input_shape.size() == 3, kName,
        ": input shape must be [channels, height, width] for memory formats (got ",
        at::IntArrayRef(options.input_shape), ")");
  }

  const std::vector<const Stage*> given_stages = stages_of(options);
  teacher = std::make_unique<Teacher>(options, taps_of_teacher(given_stages), student_tensors);
  for (const Stage* stage : given_stages) {
    stages.push_back(bind_stage(*stage, *options.student, options.teacher.get(), teacher->taps(), criteria.size()));
    for (const BoundTerm& term : stages.back().terms) criteria.push_back(term.criterion);
  }
  const bool is_on_cpu = student_tensors.device().is_cpu();
  RETORT_CHECK(
      !options.cuda_graph || student_tensors.device().is_cuda(), kName,
      ": student must be on a GPU for a CUDA graph (got ", student_tensors.device(), ")");
  if (!is_on_cpu || options.late_results || options.student_precision == Precision::kFloat16) {
    deferred = std::make_unique<Deferred>(*this);
  }
}

TrainingStep::Impl::~Impl() {
  if (!deferred || !deferred->pending) return;
  // The device works with what the step is made of, and what has failed has to be undone.
  try {
    settled();
  } catch (const std::exception&) {
    // A device that is lost, of which the next call tells.
    release_snapshots();
  }
}

void TrainingStep::Impl::check_finite(const std::string& what, double loss) {
  RETORT_CHECK_AS(
      NonFiniteError, std::isfinite(loss), kName, ": ", what, " must be finite (got ", without_sign_of_nan(loss), ")");
}

int64_t TrainingStep::Impl::check(const Batch& batch) const {
  images.check(batch.images, student_tensors);
  const int64_t size = batch.images.size(0);
  RETORT_CHECK(
      !sample_of_student.defined() || sample_of_student.dtype() == student_tensors.dtype(), kName,
      ": student must keep the dtype it had when the step was built, ", student_tensors.dtype().toScalarType(),
      " (got ", sample_of_student.scalar_type(), ")");
  for (const auto& [name, rows, rank] :
       {std::tuple{"indices", &batch.indices, 1}, std::tuple{"contrast", &batch.contrast, 2}}) {
    if (!rows->defined()) continue;
    RETORT_CHECK_AS(
        ShapeError, rows->scalar_type() == at::kLong, kName, ": ", name, " must be int64 (got ", rows->scalar_type(),
        ")");
    RETORT_CHECK_AS(
        ShapeError, rows->dim() == rank && rows->size(0) == size, kName, ": ", name, " must be of rank ", rank,
        " with the batch of ", size, " first (got ", rows->sizes(), ")");
  }
  if (batch.weights.defined()) check_weights(kName, batch.weights, size);
  const bool has_labels = batch.labels.defined() || stage().cross_entropy.needs_labels();
  const int64_t labeled = has_labels ? check_labels(kName, batch.labels, size, classes) : 0;
  if (!stage().terms.empty()) teacher->check(batch);
  const CriterionInput input = without_networks(batch);
  for (const BoundTerm& term : stage().terms) term.criterion->check_batch(input);
  return labeled;
}

at::Generator TrainingStep::Impl::generator() const {
  return at::globalContext().defaultGenerator(student_tensors.device());
}

void TrainingStep::Impl::snapshot(const Batch& batch) {
  snapshot_but_random(batch);
  saved_random.save(generator());
}

void TrainingStep::Impl::snapshot_but_random(const Batch& batch) {
  // What is kept for the next time must be as good in any mode of the caller's.
  const c10::InferenceMode no_inference(false);
  options.student->check_snapshot_is_free(this);
  if (options.teacher) options.teacher->check_snapshot_is_free(this);
  options.student->snapshot();
  if (!stage().terms.empty()) teacher->snapshot(batch);
  for (const BoundTerm& term : stage().terms) term.criterion->snapshot();
}

void TrainingStep::Impl::restore() {
  const c10::InferenceMode no_inference(false);
  options.student->restore();
  teacher->rollback();
  for (const BoundTerm& term : stage().terms) term.criterion->restore();
  saved_random.restore(generator());
}

void TrainingStep::Impl::run(const Batch& batch, StepResult& result) {
  adopt_threads();
  const Lock lock(*this);
  const Stopwatch watch;
  settle();
  rethrow_failure();
  StepResult computed;
  computed.labeled = check(batch);
  computed.samples = batch.images.size(0);
  computed.stage = progress.stage;
  computed.student_format = student_format.next();
  computed.teacher_format = teacher->format().next();
  computed.learning_rate = learning_rate();
  snapshot(batch);
  if (deferred) return run_deferred(batch, std::move(computed), watch, result);
  try {
    attempt(batch, computed);
  } catch (const NonFiniteError&) {
    restore();
    if (!options.skip_non_finite) throw;
    computed.skipped = true;
  } catch (...) {
    restore();
    throw;
  }
  if (computed.updated) advance();
  computed.nanoseconds = watch.nanoseconds();
  std::swap(result, computed);
}

void TrainingStep::Impl::attempt(const Batch& batch, StepResult& result) {
  const c10::InferenceMode no_inference(false);
  const at::AutoGradMode with_gradients(true);
  const Autocast full(student_tensors.device(), Precision::kFull);
  BoundStage& now = stage();

  const NetworkOutput taught = now.terms.empty() ? NetworkOutput() : teacher->outputs(batch, images);
  const Stopwatch watch;
  const NetworkOutput learned = learn(batch.images);

  Roots roots;
  const auto share = [this](double weight) { return weight / static_cast<double>(options.accumulate); };
  const auto add = [&result](const std::string& what, double value, double weight) {
    check_finite(what, value);
    result.total += weight * value;
    return value;
  };
  if (now.cross_entropy.needs_labels() && result.labeled > 0) {
    const double weight = now.cross_entropy.weight(progress.steps_of_stage);
    auto computed = now.cross_entropy.differentiate(learned.logits, batch.labels, batch.weights, share(weight));
    if (computed) {
      result.cross_entropy = add("cross-entropy", computed->loss, weight);
      roots.add(learned.logits, std::move(computed->gradient));
    }
  }
  std::vector<CriterionInput> inputs;
  for (size_t i = 0; i < now.terms.size(); ++i) {
    const BoundTerm& term = now.terms[i];
    inputs.push_back(input_of(term, batch, taught, learned));
    term.criterion->draw(inputs.back());
    const at::Tensor loss = loss_of(term, inputs.back(), i);
    const double weight = term.weight_at(progress.steps_of_stage);
    result.terms.push_back(add(name_of_term(i), loss.item<double>(), weight));
    roots.add(loss, at::scalar_tensor(share(weight), loss.options()));
  }
  check_finite("loss", result.total);

  Gradients gradients = differentiate(roots);
  const int64_t student_nanoseconds = watch.nanoseconds();
  if (options.accumulate > 1) gradients = accumulation.plus(gradients);
  result.gradient_norm = checked_norm(gradients, now.optimizer->names());

  const at::NoGradGuard no_gradients;
  if (batch.labels.defined()) result.correct = count_correct(learned.logits, batch.labels);
  const bool updates = accumulation.count() + 1 == options.accumulate;
  std::vector<Optimizer::Work> update;
  if (updates) {
    update = now.optimizer->prepare(
        clip(gradients, result.gradient_norm, options.clip_value, options.clip_norm), {result.learning_rate});
  }
  for (size_t i = 0; i < now.terms.size(); ++i) now.terms[i].criterion->after_step(inputs[i]);
  // After what may fail and can be undone, which the cache cannot.
  teacher->commit();
  // Last, since nothing in it can fail.
  if (updates) {
    now.optimizer->apply(update);
    accumulation.clear();
  } else {
    accumulation.keep(std::move(gradients));
  }
  result.updated = updates;
  student_format.note(student_nanoseconds);
  teacher->note_time(teacher->nanoseconds());
}

CriterionInput TrainingStep::Impl::without_networks(const Batch& batch) {
  CriterionInput input;
  input.labels = batch.labels;
  input.indices = batch.indices;
  input.contrast = batch.contrast;
  input.weights = batch.weights;
  return input;
}

CriterionInput TrainingStep::Impl::input_of(
    const BoundTerm& term, const Batch& batch, const NetworkOutput& taught, const NetworkOutput& learned) {
  CriterionInput input = without_networks(batch);
  input.student = select(learned.features, term.student_taps);
  input.teacher = select(taught.features, term.teacher_taps);
  input.logits_student = learned.logits;
  input.logits_teacher = taught.logits;
  return input;
}

std::string TrainingStep::Impl::name_of_term(size_t index) {
  return "loss of term " + std::to_string(index);
}

at::Tensor TrainingStep::Impl::loss_of(const BoundTerm& term, const CriterionInput& input, size_t index) {
  at::Tensor loss = term.criterion->forward(input);
  RETORT_CHECK(
      loss.defined() && loss.numel() == 1, kName, ": ", name_of_term(index), " must be a scalar (got ",
      loss.defined() ? c10::str(loss.sizes()) : "an undefined tensor", ")");
  return loss.dim() == 0 ? loss : loss.reshape({});
}

NetworkOutput TrainingStep::Impl::learn(const at::Tensor& raw) {
  const ModuleMode mode(stage().modes);
  const Autocast autocast(student_tensors.device(), options.student_precision);
  NetworkOutput learned =
      options.student->forward(images.prepare(raw, student_tensors, to_aten(student_format.next())));
  learned.logits = learned.logits.to(student_tensors);
  if (options.student_precision != Precision::kFull) {
    for (at::Tensor& feature : learned.features) feature = feature.to(student_tensors);
  }
  return learned;
}

Gradients TrainingStep::Impl::differentiate(const Roots& roots) const {
  const std::vector<at::Tensor>& parameters = stage().optimizer->parameters();
  if (roots.losses == 0) return Gradients(parameters.size());  // a batch without labels, and nothing but cross-entropy
  const Gradients gradients = roots.tensors.empty()
                                  ? Gradients()
                                  : torch::autograd::grad(
                                        roots.tensors, parameters, roots.gradients, /*retain_graph=*/std::nullopt,
                                        /*create_graph=*/false, /*allow_unused=*/true);
  RETORT_CHECK(
      std::any_of(gradients.begin(), gradients.end(), [](const at::Tensor& one) { return one.defined(); }), kName,
      ": loss must depend on a parameter that is trained (got a constant)");
  return gradients;
}

void TrainingStep::Impl::advance() {
  ++progress.steps;
  ++progress.steps_of_stage;
  if (stage().steps == 0 || progress.steps_of_stage < stage().steps) return;
  ++progress.stage;
  progress.steps_of_stage = 0;
  if (deferred) deferred->graph.drop();
}

torch::OrderedDict<std::string, at::Tensor> TrainingStep::Impl::state(int64_t at_stage) const {
  torch::OrderedDict<std::string, at::Tensor> state;
  for (const auto& entry : options.student->entries()) state.insert("student." + entry.key(), entry.value());
  for (size_t i = 0; i < criteria.size(); ++i) {
    const std::string prefix = "terms." + std::to_string(i) + ".";
    for (const auto& entry : criteria[i]->named_parameters()) {
      state.insert(prefix + entry.key(), entry.value().detach());
    }
    for (const auto& entry : criteria[i]->named_buffers()) state.insert(prefix + entry.key(), entry.value());
  }
  const Optimizer& optimizer = *stages[static_cast<size_t>(at_stage)].optimizer;
  for (const auto& entry : optimizer.state()) state.insert(entry.key(), entry.value());
  return state;
}

std::vector<std::pair<std::string, Network*>> TrainingStep::Impl::networks() const {
  std::vector<std::pair<std::string, Network*>> networks = {{"student", options.student.get()}};
  if (options.teacher) networks.emplace_back("teacher", options.teacher.get());
  return networks;
}

TrainingStep::TrainingStep(TrainingStepOptions options) {
  static CallSite site;
  const RunningCall running(site);
  impl_ = std::make_unique<Impl>(std::move(options));
}

TrainingStep::~TrainingStep() {
  static CallSite site;
  const RunningCall running(site);
  impl_.reset();
}

void TrainingStep::run(const Batch& batch, StepResult& result) {
  static CallSite site;
  const RunningCall running(site);
  impl_->run(batch, result);
}

bool TrainingStep::finish(StepResult& result) {
  static CallSite site;
  const RunningCall running(site);
  return impl_->finish(result);
}

std::string TrainingStep::graph_obstacle() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->graph_obstacle();
}

void TrainingStep::publish() {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->settled();
  impl_->options.student->publish_held();
}

void TrainingStep::save(const std::string& path, const std::string& note) {
  static CallSite site;
  const RunningCall running(site);
  impl_->save(path, note);
}

std::string TrainingStep::load(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  return impl_->load(path);
}

const std::vector<int64_t>& TrainingStep::input_shape() const {
  return impl_->options.input_shape;
}

int64_t TrainingStep::steps() const {
  const auto lock = impl_->settled(/*reads_networks=*/false);
  return impl_->progress.steps;
}

int64_t TrainingStep::stage() const {
  const auto lock = impl_->settled(/*reads_networks=*/false);
  return impl_->progress.stage;
}

double TrainingStep::learning_rate() const {
  const auto lock = impl_->settled(/*reads_networks=*/false);
  return impl_->learning_rate();
}

int64_t TrainingStep::term_count() const {
  return static_cast<int64_t>(impl_->criteria.size());
}

std::shared_ptr<Criterion> TrainingStep::criterion(int64_t term) const {
  RETORT_CHECK(
      term >= 0 && term < term_count(), kName, ": term must be between 0 and ", term_count() - 1, " (got ", term, ")");
  return impl_->criteria[static_cast<size_t>(term)];
}

const std::vector<std::string>& TrainingStep::teacher_taps() const {
  return impl_->teacher->taps();
}

torch::OrderedDict<std::string, at::Tensor> TrainingStep::state() const {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->settled();
  return impl_->state(impl_->progress.stage);
}

}  // namespace retort
