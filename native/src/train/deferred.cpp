// The steps of a device that nobody waits for: what is computed is read when it is needed, which may be in the next
// step, and a step that turns out to have failed is undone then. The update of the parameters, which can't be undone,
// looks on the device whether everything was finite.
#include <ATen/Context.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "tensor/check.h"
#include "tensor/finite.h"
#include "train/autocast.h"
#include "train/training_step_impl.h"

namespace retort {
namespace {

/// Places of what is sent to the device. The weights of the cross-entropy and of the terms are followed by as many
/// factors by which the gradients of these losses begin.
enum Sent : int64_t { kLearningRate, kInverseScale, kInverseNorm, kWeights };

/// Why a step with these options can't be a graph; empty if it may.
std::string obstacle_of(const TrainingStepOptions& options) {
  if (!options.cuda_graph) return "no graph is wanted";
  if (options.accumulate > 1) return c10::str("an update takes ", options.accumulate, " batches");
  if (options.teacher_cache.samples > 0) return "the teacher's outputs are remembered";
  return {};
}

int64_t count_sent(const std::vector<BoundStage>& stages) {
  size_t most = 0;
  for (const BoundStage& one : stages) most = std::max(most, one.terms.size());
  return kWeights + 2 * static_cast<int64_t>(1 + most);
}

at::Generator generator_of_cpu() {
  return at::globalContext().defaultGenerator(at::kCPU);
}

/// What no graph changes.
struct HostState {
  explicit HostState(const std::vector<std::pair<std::string, Network*>>& networks) {
    for (const auto& [name, network] : networks) attributes.push_back(network->packed_attributes());
    at::Generator generator = generator_of_cpu();
    const std::lock_guard<std::mutex> lock(generator.mutex());
    random = generator.get_state();
  }

  void restore_random() const {
    at::Generator generator = generator_of_cpu();
    const std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(random);
  }

  bool operator==(const HostState& other) const { return attributes == other.attributes && random.equal(other.random); }

  std::vector<std::string> attributes;
  at::Tensor random;
};

}  // namespace

TrainingStep::Impl::Deferred::Deferred(const Impl& step)
    : sent(step.student_tensors.device(), count_sent(step.stages)),
      fetched(step.student_tensors.device()),
      loss_scale(step.options.student_precision == Precision::kFloat16),
      order(step.student_tensors.device()),
      graph(step.student_tensors.device(), obstacle_of(step.options)) {}

void TrainingStep::Impl::Deferred::forget() {
  graph.drop();
  finished.reset();
  failure = nullptr;
}

std::vector<double> TrainingStep::Impl::weights_of(const BoundStage& of) const {
  std::vector<double> weights = {of.cross_entropy.weight(progress.steps_of_stage)};
  for (const BoundTerm& term : of.terms) weights.push_back(term.weight_at(progress.steps_of_stage));
  return weights;
}

void TrainingStep::Impl::run_deferred(
    const Batch& batch, StepResult computed, const Stopwatch& watch, StepResult& result) {
  std::optional<StepResult> before = std::exchange(deferred->finished, std::nullopt);
  try {
    enqueue(batch, std::move(computed));
  } catch (...) {
    deferred->graph.forget_batches();
    restore();
    deferred->finished = std::move(before);
    throw;
  }
  if (deferred->pending) {
    for (Network* network : changing_networks()) network->claim_snapshot(this);
  }
  if (options.late_results) {
    result = before ? std::move(*before) : StepResult();
    return;
  }
  settle();
  rethrow_failure();
  result = *std::exchange(deferred->finished, std::nullopt);
  result.nanoseconds = watch.nanoseconds();
}

bool TrainingStep::Impl::finish(StepResult& result) {
  const auto lock = settled();
  rethrow_failure();
  if (!deferred || !deferred->finished) return false;
  result = *std::exchange(deferred->finished, std::nullopt);
  return true;
}

std::unique_ptr<TrainingStep::Impl::Lock> TrainingStep::Impl::settled(bool reads_networks) {
  auto lock = std::make_unique<Lock>(*this, reads_networks || deferred);
  settle();
  return lock;
}

void TrainingStep::Impl::rethrow_failure() {
  if (deferred && deferred->failure) std::rethrow_exception(std::exchange(deferred->failure, nullptr));
}

std::string TrainingStep::Impl::graph_obstacle() const {
  return deferred ? deferred->graph.obstacle() : obstacle_of(options);
}

void TrainingStep::Impl::enqueue(const Batch& batch, StepResult computed) {
  const c10::InferenceMode no_inference(false);
  BoundStage& now = stage();
  Deferred& state = *deferred;
  for (const BoundTerm& term : now.terms) term.criterion->draw(without_networks(batch));

  const auto scale = static_cast<double>(state.loss_scale.factor());
  const bool is_labeled = now.cross_entropy.needs_labels() && computed.labeled > 0;
  const double norm = is_labeled ? now.cross_entropy.norm(batch.labels, batch.weights) : 0;
  const std::vector<double> weights = weights_of(now);
  std::vector<double> numbers = {computed.learning_rate, 1 / scale, norm > 0 ? 1 / norm : 0};
  numbers.insert(numbers.end(), weights.begin(), weights.end());
  for (double weight : weights) numbers.push_back(weight * scale / static_cast<double>(options.accumulate));
  state.sent.send(numbers);

  DeferredStep step{std::move(computed), norm > 0, /*updates=*/accumulation.count() + 1 == options.accumulate, {}};
  state.fetched.begin();
  try {
    if (!launch_graph(batch, step)) start(staging.on_device(batch), step, /*records=*/false);
  } catch (const NonFiniteError&) {
    return fail(std::move(step));
  }
  state.pending = std::move(step);
}

bool TrainingStep::Impl::launch_graph(const Batch& batch, DeferredStep& step) {
  StepGraph& graph = deferred->graph;
  if (!options.cuda_graph || batch.teacher_logits.defined()) return false;
  if (graph.has_moved()) graph.drop();
  std::vector<int64_t> signature = Staging::signature(batch);
  signature.push_back(step.has_cross_entropy);
  const bool is_decided = student_format.chosen() != MemoryFormat::kAuto &&
                          (stage().terms.empty() || teacher->format().chosen() != MemoryFormat::kAuto);
  const bool is_time = graph.is_time_to_record(signature) && is_decided;
  if (is_time && !graph.fits(signature)) record_graph(signature, batch, step);
  if (!graph.fits(signature)) return false;
  step.result.graph = true;
  deferred->fetched.fetch(graph.launch(staging, batch));
  return true;
}

void TrainingStep::Impl::record_graph(
    const std::vector<int64_t>& signature, const Batch& batch, const DeferredStep& like) {
  StepGraph& graph = deferred->graph;
  for (const BoundTerm& term : stage().terms) {
    if (std::string obstacle = term.criterion->obstacle_to_graph(); !obstacle.empty()) return graph.give_up(obstacle);
  }
  const HostState before(networks());
  RandomState random;
  random.save(generator());
  std::vector<at::Tensor> tensors;
  for (const auto& [name, network] : networks()) {
    network->entries();  // brings buffers that a program keeps elsewhere up to date
    for (const at::Tensor& parameter : network->parameters()) tensors.push_back(parameter);
    for (const at::Tensor& buffer : network->buffers()) tensors.push_back(buffer);
  }
  graph.record(
      signature, batch, std::move(tensors),
      [&](const Batch& places) {
        DeferredStep step = like;
        return start(places, step, /*records=*/true);
      },
      [this] {
        const at::NoGradGuard no_gradients;
        for (const BoundTerm& term : stage().terms) term.criterion->restore();
      });
  bool keeps_buffers = !graph.has_moved();
  for (const auto& [name, network] : networks()) keeps_buffers = keeps_buffers && network->keeps_its_buffers();
  if (!keeps_buffers) graph.give_up("a network assigns its buffers anew");
  if (!(HostState(networks()) == before)) {
    graph.give_up("a network changes attributes of its own, or draws random numbers on the CPU");
  }
  if (graph.obstacle().empty()) return;
  // Nothing has happened on the device, but on the CPU: what was remembered for restore() is there, or was never
  // written.
  options.student->restore();
  teacher->rollback();
  random.restore(generator());
  before.restore_random();
  snapshot_but_random(batch);
}

at::Tensor TrainingStep::Impl::start(const Batch& batch, DeferredStep& step, bool records) {
  const at::AutoGradMode with_gradients(true);
  const Autocast full(student_tensors.device(), Precision::kFull);
  BoundStage& now = stage();
  Deferred& state = *deferred;

  const NetworkOutput taught = now.terms.empty() ? NetworkOutput() : teacher->outputs(batch, images);
  const NetworkOutput learned = learn(batch.images);
  Roots roots;
  std::vector<at::Tensor> values;
  const auto losses = static_cast<int64_t>(1 + now.terms.size());
  const auto factor = [&](int64_t loss) { return state.sent[kWeights + losses + loss]; };
  if (step.has_cross_entropy) {
    CrossEntropy::ResultOnDevice computed = now.cross_entropy.differentiate_on_device(
        learned.logits, batch.labels, batch.weights, state.sent[kInverseNorm], factor(0));
    values.push_back(std::move(computed.loss));
    roots.add(learned.logits, std::move(computed.gradient));
  } else {
    values.push_back(at::zeros({}, student_tensors.dtype(at::kDouble)));
  }
  std::vector<CriterionInput> inputs;
  for (size_t i = 0; i < now.terms.size(); ++i) {
    inputs.push_back(input_of(now.terms[i], batch, taught, learned));
    const at::Tensor loss = loss_of(now.terms[i], inputs.back(), i);
    values.push_back(loss.detach().to(at::kDouble));
    roots.add(loss, factor(static_cast<int64_t>(1 + i)).to(loss.options()));
  }

  Gradients gradients = differentiate(roots);
  const at::NoGradGuard no_gradients;
  if (state.loss_scale.is_used()) gradients = times(std::move(gradients), state.sent[kInverseScale]);
  if (options.accumulate > 1) gradients = accumulation.plus(gradients);
  const at::Tensor norms = norms_on_device(gradients, student_tensors);
  const at::Tensor of_losses = at::stack(values);
  const at::Tensor total = (of_losses * state.sent.slice(kWeights, losses)).sum(0, /*keepdim=*/true);
  std::vector<at::Tensor> parts = {of_losses, total, norms};
  if (batch.labels.defined()) {
    parts.push_back(learned.logits.argmax(1, /*keepdim=*/true).eq(batch.labels.unsqueeze(1)).sum(0).to(at::kDouble));
  }
  const at::Tensor numbers = at::cat(parts);
  if (!records) state.fetched.fetch(numbers);
  const at::Tensor failed = any_not_finite(numbers).to(at::kFloat);

  std::vector<Optimizer::Work> update;
  if (step.updates) {
    const Optimizer::Rate rate = {step.result.learning_rate, records ? state.sent[kLearningRate] : at::Tensor()};
    update = now.optimizer->prepare(clip_on_device(gradients, norms, options.clip_value, options.clip_norm), rate);
  }
  for (size_t i = 0; i < now.terms.size(); ++i) now.terms[i].criterion->after_step(inputs[i]);
  if (teacher->remembers()) {
    // What is written into the cache stays there, so that the step must have succeeded before.
    read(step);
    teacher->commit();
  }
  // Last, since nothing in it can fail.
  if (step.updates) {
    now.optimizer->apply(update, failed);
  } else {
    step.sum = std::move(gradients);
  }
  return numbers;
}

void TrainingStep::Impl::read(DeferredStep& step) {
  const std::vector<double>& numbers = deferred->fetched.wait();
  const BoundStage& now = stage();
  StepResult& result = step.result;
  auto next = numbers.begin();
  result.cross_entropy = *next++;
  result.terms.assign(next, next + static_cast<std::ptrdiff_t>(now.terms.size()));
  next += static_cast<std::ptrdiff_t>(now.terms.size());
  result.total = *next++;
  const auto end_of_norms = next + static_cast<std::ptrdiff_t>(now.optimizer->names().size());
  if (end_of_norms != numbers.end()) result.correct = static_cast<int64_t>(*end_of_norms);

  check_finite("cross-entropy", result.cross_entropy);
  for (size_t i = 0; i < result.terms.size(); ++i) check_finite(name_of_term(i), result.terms[i]);
  check_finite("loss", result.total);
  step.has_finite_loss = true;
  result.gradient_norm = checked_norm_of({next, end_of_norms}, now.optimizer->names());
}

void TrainingStep::Impl::settle() {
  if (!deferred) return;
  Deferred& state = *deferred;
  state.order.enter();
  if (!state.pending) return;
  release_snapshots();
  DeferredStep step = std::move(*std::exchange(state.pending, std::nullopt));
  try {
    read(step);
  } catch (const NonFiniteError&) {
    return fail(std::move(step));
  } catch (...) {
    state.failure = std::current_exception();
    return undo(step);
  }
  state.loss_scale.note_finite();
  student_format.note(state.fetched.nanoseconds());
  teacher->note_time(state.fetched.nanoseconds());
  if (step.updates) {
    accumulation.clear();
    advance();
  } else {
    accumulation.keep(std::move(step.sum));
  }
  step.result.updated = step.updates;
  step.result.nanoseconds = state.fetched.nanoseconds();
  state.finished = std::move(step.result);
}

void TrainingStep::Impl::fail(DeferredStep step) {
  Deferred& state = *deferred;
  const bool overflowed = step.has_finite_loss && state.loss_scale.may_overflow();
  if (overflowed || options.skip_non_finite) {
    if (overflowed) state.loss_scale.note_overflow();
    step.result.skipped = true;
    state.finished = step.result;
  } else {
    state.failure = std::current_exception();
  }
  undo(step);
}

void TrainingStep::Impl::undo(const DeferredStep& step) {
  deferred->graph.forget_batches();
  if (step.result.graph) deferred->graph.undo();
  restore();
}

void TrainingStep::Impl::release_snapshots() const {
  for (Network* network : changing_networks()) network->release_snapshot(this);
}

std::vector<Network*> TrainingStep::Impl::changing_networks() const {
  std::vector<Network*> networks = {options.student.get()};
  if (options.teacher && options.teacher_batch_norm == TeacherBatchNorm::kTraining) {
    networks.push_back(options.teacher.get());
  }
  return networks;
}

}  // namespace retort
