// TrainingStep::save and load.
#include <ATen/core/Generator.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "io/checkpoint_file.h"
#include "io/description.h"
#include "tensor/check.h"
#include "train/training_step_impl.h"

namespace retort {
namespace {

using Tensors = torch::OrderedDict<std::string, at::Tensor>;

/// Gives networks attributes, all or none.
void exchange_attributes(const std::vector<std::pair<Network*, std::string>>& attributes) {
  std::vector<std::string> before;
  for (const auto& [network, bytes] : attributes) before.push_back(network->packed_attributes());
  size_t done = 0;
  try {
    for (; done < attributes.size(); ++done) attributes[done].first->unpack_attributes(attributes[done].second);
  } catch (const std::exception&) {
    while (done-- > 0) attributes[done].first->unpack_attributes(before[done]);
    throw;
  }
}

/// All that the state depends on, one thing a line.
std::string configuration_of(const TrainingStepOptions& options) {
  std::ostringstream text;
  text << describe(
              "step", {{"input_shape", options.input_shape},
                       {"accumulate", options.accumulate},
                       {"clip_norm", options.clip_norm},
                       {"clip_value", options.clip_value},
                       {"student_format", static_cast<int64_t>(options.student_format)},
                       {"teacher_format", static_cast<int64_t>(options.teacher_format)},
                       {"student_precision", static_cast<int64_t>(options.student_precision)},
                       {"teacher_precision", static_cast<int64_t>(options.teacher_precision)},
                       {"teacher_batch_norm", static_cast<int64_t>(options.teacher_batch_norm)},
                       {"stages", static_cast<int64_t>(options.later_stages.size() + 1)}})
       << '\n'
       << options.images.description() << '\n';
  const auto add = [&text](const Stage& stage) {
    text << describe("stage", {{"steps", stage.steps}, {"trained", stage.trained}}) << '\n'
         << stage.cross_entropy.description() << '\n'
         << stage.optimizer->description() << '\n';
    for (const Term& term : stage.terms) {
      text << describe(
                  "term", {{"weight", term.weight},
                           {"schedule", term.schedule.description()},
                           {"criterion", term.criterion->description()},
                           {"student_taps", term.student_taps},
                           {"teacher_taps", term.teacher_taps}})
           << '\n';
    }
  };
  add(options);
  for (const Stage& stage : options.later_stages) add(stage);
  return text.str();
}

void check_configuration(const std::string& saved, const std::string& own, const std::string& path) {
  std::istringstream saved_lines(saved), own_lines(own);
  std::string saved_line, own_line;
  do {
    saved_line.clear();
    own_line.clear();
    std::getline(saved_lines, saved_line);
    std::getline(own_lines, own_line);
    RETORT_CHECK_AS(
        CheckpointError, saved_line == own_line, "TrainingStep.load: ", path, " must be of a step with ",
        own_line.empty() ? "no more parts" : own_line, " (got ", saved_line.empty() ? "nothing more" : saved_line, ")");
  } while (saved_lines && own_lines);
}

at::Tensor to_tensor(const std::string& bytes) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
  std::copy(bytes.begin(), bytes.end(), tensor.mutable_data_ptr<uint8_t>());
  return tensor;
}

std::string to_bytes(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

/// Counters and choices as they are saved.
enum Number : int64_t { kSteps, kStage, kStepsOfStage, kAccumulated, kStudentFormat, kTeacherFormat, kNumbers };

constexpr const char* kNumbersName = "numbers";
constexpr const char* kRandomName = "random";
constexpr const char* kNoteName = "note";
constexpr const char* kLossScaleName = "loss_scale";
constexpr size_t kMostNoteBytes = 1 << 20;
const std::string kAccumulatedPrefix = "accumulated.";
const std::string kAttributesPrefix = "attributes.";

/// Takes tensors out of a checkpoint, each once and as it must be.
class Reader {
 public:
  Reader(Tensors tensors, const std::string& path) : tensors_(std::move(tensors)), path_(path) {}

  /// @param like shape and dtype that it must have
  at::Tensor take(const std::string& name, const at::Tensor& like) {
    const at::Tensor tensor = take(name, like.scalar_type());
    RETORT_CHECK_AS(
        CheckpointError, tensor.sizes() == like.sizes(), "TrainingStep.load: ", name, " of ", path_,
        " must be of shape ", like.sizes(), " (got ", tensor.sizes(), ")");
    // What is left to do must not allocate.
    return tensor.strides() == like.strides() ? tensor : at::empty_like(like).copy_(tensor);
  }

  /// @param dtype that it must have
  at::Tensor take(const std::string& name, at::ScalarType dtype) {
    const at::Tensor* tensor = tensors_.find(name);
    RETORT_CHECK_AS(
        CheckpointError, tensor, "TrainingStep.load: ", path_, " must have the entry ", name, " (got none)");
    RETORT_CHECK_AS(
        CheckpointError, tensor->scalar_type() == dtype, "TrainingStep.load: ", name, " of ", path_, " must be ", dtype,
        " (got ", tensor->scalar_type(), ")");
    ++taken_;
    return *tensor;
  }

  bool has(const std::string& name) const { return tensors_.contains(name); }

  void finish() const {
    RETORT_CHECK_AS(
        CheckpointError, taken_ == tensors_.size(), "TrainingStep.load: ", path_, " must have ", taken_,
        " entries for this step (got ", tensors_.size(), ")");
  }

 private:
  Tensors tensors_;
  const std::string& path_;
  size_t taken_ = 0;
};

}  // namespace

/// The tensors that a step changes: its state at a stage, and what it is silent about because users need not see it.
torch::OrderedDict<std::string, at::Tensor> TrainingStep::Impl::changing(int64_t at_stage) const {
  Tensors tensors = state(at_stage);
  if (options.teacher && options.teacher_batch_norm == TeacherBatchNorm::kTraining) {
    options.teacher->entries();  // brings buffers that a program keeps elsewhere up to date
    for (const auto& entry : options.teacher->named_buffers()) tensors.insert("teacher." + entry.key(), entry.value());
  }
  return tensors;
}

void TrainingStep::Impl::save(const std::string& path, const std::string& note) {
  RETORT_CHECK(
      note.size() <= kMostNoteBytes, "TrainingStep.save: note must be of at most ", kMostNoteBytes, " bytes (got ",
      note.size(), ")");
  Checkpoint checkpoint{configuration_of(options), Tensors()};
  {
    const auto lock = settled();
    const auto add = [&](const std::string& name, const at::Tensor& value) {
      checkpoint.tensors.insert(name, value.detach().clone());
    };
    for (const auto& entry : changing(progress.stage)) add(entry.key(), entry.value());
    for (size_t i = 0; i < accumulation.sum().size(); ++i) {
      const at::Tensor& sum = accumulation.sum()[i];
      if (sum.defined()) add(kAccumulatedPrefix + stage().optimizer->names()[i], sum);
    }
    for (const auto& [name, network] : networks())
      add(kAttributesPrefix + name, to_tensor(network->packed_attributes()));
    at::Tensor numbers = at::empty({kNumbers}, at::kLong);
    auto* number = numbers.mutable_data_ptr<int64_t>();
    number[kSteps] = progress.steps;
    number[kStage] = progress.stage;
    number[kStepsOfStage] = progress.steps_of_stage;
    number[kAccumulated] = accumulation.count();
    number[kStudentFormat] = static_cast<int64_t>(student_format.chosen());
    number[kTeacherFormat] = static_cast<int64_t>(teacher->format().chosen());
    checkpoint.tensors.insert(kNumbersName, numbers);
    if (deferred && deferred->loss_scale.is_used()) {
      const LossScale& scale = deferred->loss_scale;
      checkpoint.tensors.insert(kLossScaleName, at::tensor({scale.factor(), scale.good_batches()}, at::kLong));
    }
    const std::lock_guard<std::mutex> random_lock(generator().mutex());
    checkpoint.tensors.insert(kRandomName, generator().get_state());
  }
  if (!note.empty()) checkpoint.tensors.insert(kNoteName, to_tensor(note));
  write_checkpoint("TrainingStep.save", checkpoint, path);
}

std::string TrainingStep::Impl::load(const std::string& path) {
  Checkpoint checkpoint = read_checkpoint("TrainingStep.load", path);
  check_configuration(checkpoint.configuration, configuration_of(options), path);
  Reader reader(std::move(checkpoint.tensors), path);
  const at::NoGradGuard no_gradients;
  const auto lock = settled();

  const at::Tensor numbers = reader.take(kNumbersName, at::empty({kNumbers}, at::kLong));
  const auto* number = numbers.const_data_ptr<int64_t>();
  RETORT_CHECK_AS(
      CheckpointError, number[kStage] >= 0 && number[kStage] < static_cast<int64_t>(stages.size()),
      "TrainingStep.load: stage of ", path, " must be below ", stages.size(), " (got ", number[kStage], ")");
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;
  for (const auto& entry : changing(number[kStage])) {
    copies.emplace_back(entry.value(), reader.take(entry.key(), entry.value()));
  }
  const Optimizer& optimizer = *stages[static_cast<size_t>(number[kStage])].optimizer;
  Gradients sum(number[kAccumulated] > 0 ? optimizer.names().size() : 0);
  for (size_t i = 0; i < sum.size(); ++i) {
    const std::string name = kAccumulatedPrefix + optimizer.names()[i];
    const at::Tensor& parameter = optimizer.parameters()[i];
    if (reader.has(name)) sum[i] = reader.take(name, parameter.detach()).to(parameter.device());
  }
  std::vector<std::pair<Network*, std::string>> attributes;
  for (const auto& [name, network] : networks()) {
    attributes.emplace_back(network, to_bytes(reader.take(kAttributesPrefix + name, at::kByte)));
  }
  at::Generator random = generator();
  const std::lock_guard<std::mutex> random_lock(random.mutex());
  const at::Tensor random_state = reader.take(kRandomName, random.get_state());
  LossScale* scale = deferred && deferred->loss_scale.is_used() ? &deferred->loss_scale : nullptr;
  const at::Tensor saved_scale = scale ? reader.take(kLossScaleName, at::empty({2}, at::kLong)) : at::Tensor();
  RETORT_CHECK_AS(
      CheckpointError, !scale || LossScale::is_factor(saved_scale[0].item<int64_t>()),
      "TrainingStep.load: loss_scale of ", path, " must be a power of two (got another number)");
  // Files that were written before there were notes have none.
  std::string note = reader.has(kNoteName) ? to_bytes(reader.take(kNoteName, at::kByte)) : std::string();
  RETORT_CHECK_AS(
      CheckpointError, note.size() <= kMostNoteBytes, "TrainingStep.load: note of ", path, " must be of at most ",
      kMostNoteBytes, " bytes (got ", note.size(), ")");
  reader.finish();

  exchange_attributes(attributes);
  // Nothing in what follows can fail.
  for (auto& [own, saved] : copies) own.copy_(saved);
  random.set_state(random_state);
  accumulation.restore(std::move(sum), number[kAccumulated]);
  progress = {number[kSteps], number[kStage], number[kStepsOfStage]};
  student_format.restore(static_cast<MemoryFormat>(number[kStudentFormat]));
  teacher->format().restore(static_cast<MemoryFormat>(number[kTeacherFormat]));
  if (scale) scale->restore(saved_scale[0].item<int64_t>(), saved_scale[1].item<int64_t>());
  if (deferred) deferred->forget();
  return note;
}

}  // namespace retort
