// How TrainingStep::load restores what save has written.
#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/InferenceMode.h>

#include <functional>
#include <limits>
#include <utility>

#include "io/checkpoint_file.h"
#include "tensor/check.h"
#include "tensor/out_of_memory.h"
#include "train/configuration.h"
#include "train/step.h"
#include "train/step_entries.h"

namespace retort {
namespace {

using Tensors = torch::OrderedDict<std::string, at::Tensor>;

constexpr const char* kLoad = "TrainingStep.load";

/// Reads a network's attributes. Returns what restores them, which can't fail.
std::function<void()> unpacked_attributes(Network& network, const std::string& bytes, const std::string& name) {
  try {
    return NetworkState::of(network).unpack_attributes(bytes);
  } catch (const c10::ValueError& error) {
    fail<FileError>(
        kLoad, ": attributes of ", name, " must be those of the networks (", error.what_without_backtrace(), ")");
  }
}

/// Requires what the generator takes as its state.
void check_random_state(const at::Generator& generator, const at::Tensor& state, const std::string& name) {
  try {
    generator.clone().set_state(state);
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    fail<FileError>(kLoad, ": random of ", name, " must be a state of the generator (got another)");
  }
}

void check_configuration(const std::string& saved, const std::string& own, const std::string& name) {
  const auto difference = find_difference(own, saved);
  RETORT_CHECK_AS(
      FileError, !difference, kLoad, ": ", difference->option, " must be ", difference->own, ", as in this step (got ",
      difference->other, " in ", name, ")");
}

std::string to_bytes(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();

/// Requires numbers that a step with these options could have saved.
void check_numbers(const int64_t* number, const TrainingStepOptions& options, const std::string& name) {
  const auto check = [&](const char* what, int64_t value, int64_t end) {
    RETORT_CHECK_AS(
        FileError, value >= 0 && value < end, kLoad, ": ", what, " of ", name, " must be ",
        end == kNoEnd ? "at least 0" : c10::str("between 0 and ", end - 1), " (got ", value, ")");
  };
  const auto check_format = [&](const char* what, int64_t value, MemoryFormat wanted) {
    const auto format = static_cast<MemoryFormat>(value);
    const bool is_one = format == MemoryFormat::kContiguous || format == MemoryFormat::kChannelsLast;
    RETORT_CHECK_AS(
        FileError, format == wanted || (wanted == MemoryFormat::kAuto && is_one), kLoad, ": ", what, " of ", name,
        " must be one that the step may use (got ", value, ")");
  };
  check("stage", number[kStage], static_cast<int64_t>(options.later_stages.size()) + 1);
  const Stage& stage = number[kStage] == 0 ? options : options.later_stages[static_cast<size_t>(number[kStage] - 1)];
  check("steps", number[kSteps], kNoEnd);
  check("steps of the stage", number[kStepsOfStage], stage.steps > 0 ? stage.steps : kNoEnd);
  check("accumulated batches", number[kAccumulated], options.accumulate);
  check_format("student's format", number[kStudentFormat], options.student_format);
  for (size_t i = 0; i < options.teachers.size(); ++i) {
    const TeacherOptions& teacher = options.teachers[i];
    check_format((role_of(teacher) + "'s format").c_str(), number[kTeacherFormats + i], teacher.format);
  }
}

/// Takes tensors out of a checkpoint, each once and as it must be.
class Reader {
 public:
  Reader(Tensors tensors, std::string file) : tensors_(std::move(tensors)), file_(std::move(file)) {}

  /// @param like shape and dtype that it must have
  at::Tensor take(const std::string& name, const at::Tensor& like) {
    const at::Tensor tensor = take(name, like.scalar_type());
    RETORT_CHECK_AS(
        FileError, tensor.sizes() == like.sizes(), kLoad, ": ", name, " of ", file_, " must be of shape ", like.sizes(),
        " (got ", tensor.sizes(), ")");
    // What is left to do must not allocate.
    return tensor.strides() == like.strides() ? tensor : at::empty_like(like).copy_(tensor);
  }

  /// @param dtype that it must have
  at::Tensor take(const std::string& name, at::ScalarType dtype) {
    const at::Tensor* tensor = tensors_.find(name);
    RETORT_CHECK_AS(FileError, tensor, kLoad, ": ", file_, " must have the entry ", name, " (got none)");
    RETORT_CHECK_AS(
        FileError, tensor->scalar_type() == dtype, kLoad, ": ", name, " of ", file_, " must be ", dtype, " (got ",
        tensor->scalar_type(), ")");
    ++taken_;
    return *tensor;
  }

  bool has(const std::string& name) const { return tensors_.contains(name); }

  void finish() const {
    RETORT_CHECK_AS(
        FileError, taken_ == tensors_.size(), kLoad, ": ", file_, " must have ", taken_, " entries for this step (got ",
        tensors_.size(), ")");
  }

 private:
  Tensors tensors_;
  std::string file_;
  size_t taken_ = 0;
};

}  // namespace

std::string TrainingStep::Impl::load(const std::function<Checkpoint()>& read, const std::string& name) {
  if (!ranks) return resume(read(), name);
  return together([&] {
    std::string bytes;
    if (is_first_rank()) bytes = packed(read());
    {
      const auto lock = lock_settled(/*reads_networks=*/false);
      // Wherever they are: ranks that do not agree any more go on from here.
      ranks->meet({StepRanks::Call::kLoad, 0, 0, 0});
      bytes = ranks->of_first(bytes);
    }
    return resume(parse_checkpoint(kLoad, bytes, name), name);
  });
}

std::string TrainingStep::Impl::resume(Checkpoint checkpoint, const std::string& name) {
  check_configuration(checkpoint.configuration, configuration, name);
  Reader reader(std::move(checkpoint.tensors), name);
  // Attributes that are tensors must be as good in any mode of the caller's.
  const c10::InferenceMode no_inference(false);
  const at::NoGradGuard no_gradients;
  const auto lock = lock_settled();

  const at::Tensor numbers = reader.take(kNumbersName, at::empty({count_numbers(options)}, at::kLong));
  const auto* number = numbers.const_data_ptr<int64_t>();
  check_numbers(number, options, name);
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;
  for (const auto& entry : changing(options, state(number[kStage]))) {
    copies.emplace_back(entry.value(), reader.take(entry.key(), entry.value()));
  }
  const Optimizer& optimizer = *stages[static_cast<size_t>(number[kStage])].optimizer;
  Gradients sum(number[kAccumulated] > 0 ? optimizer.names().size() : 0);
  for (size_t i = 0; i < sum.size(); ++i) {
    const std::string entry = kAccumulatedPrefix + optimizer.names()[i];
    const at::Tensor& parameter = optimizer.parameters()[i];
    if (reader.has(entry)) sum[i] = reader.take(entry, parameter.detach()).to(parameter.device());
  }
  const auto own_networks = networks();
  std::vector<std::function<void()>> restore_attributes;
  for (const auto& [role, network] : own_networks) {
    const std::string bytes = to_bytes(reader.take(kAttributesPrefix + role, at::kByte));
    restore_attributes.push_back(unpacked_attributes(*network, bytes, name));
  }
  at::Generator random = at::globalContext().defaultGenerator(device);
  const at::Tensor random_before = random_state_of(device);
  std::vector<at::Tensor> random_states = {reader.take(kRandomName, random_before)};
  for (int64_t rank = 1; reader.has(random_name(rank)); ++rank) {
    random_states.push_back(reader.take(random_name(rank), random_before));
  }
  for (const at::Tensor& state : random_states) check_random_state(random, state, name);
  // Another number of ranks goes on with random numbers of its own.
  const auto saved_ranks = static_cast<int64_t>(random_states.size());
  const bool has_own = !ranks || ranks->rank() == 0 || ranks->size() == saved_ranks;
  const at::Tensor random_state =
      has_own ? random_states[static_cast<size_t>(ranks ? ranks->rank() : 0)] : random_before;
  LossScale scale = loss_scale;
  if (scale.is_used()) {
    const at::Tensor saved = reader.take(kLossScaleName, at::empty({2}, at::kLong));
    const auto* saved_number = saved.const_data_ptr<int64_t>();
    RETORT_CHECK_AS(
        FileError, LossScale::is_possible(saved_number[0], saved_number[1]), kLoad, ": loss_scale of ", name,
        " must be a power of two and a number of batches (got ", saved_number[0], " and ", saved_number[1], ")");
    scale.restore(saved_number[0], saved_number[1]);
  }
  // Files that were written before there were notes have none.
  std::string note = reader.has(kNoteName) ? to_bytes(reader.take(kNoteName, at::kByte)) : std::string();
  RETORT_CHECK_AS(
      FileError, note.size() <= kMostNoteBytes, kLoad, ": note of ", name, " must be of at most ", kMostNoteBytes,
      " bytes (got ", note.size(), ")");
  reader.finish();

  if (ranks) ranks->vote();
  // Nothing in what follows can fail.
  for (const auto& restore : restore_attributes) restore();
  for (const auto& [role, network] : own_networks) NetworkState::of(*network).note_change();
  for (auto& [own, saved] : copies) own.copy_(saved);
  // Stages that were not saved have not begun.
  for (size_t i = 0; i < stages.size(); ++i) {
    if (static_cast<int64_t>(i) != number[kStage]) stages[i].optimizer->reset();
  }
  {
    const std::lock_guard<std::mutex> random_lock(random.mutex());
    random.set_state(random_state);
  }
  accumulation.restore(std::move(sum), number[kAccumulated]);
  progress = {number[kSteps], number[kStage], number[kStepsOfStage]};
  student_format.restore(static_cast<MemoryFormat>(number[kStudentFormat]));
  for (size_t i = 0; i < teachers.size(); ++i) {
    teachers[i].format().restore(static_cast<MemoryFormat>(number[kTeacherFormats + i]));
  }
  loss_scale = scale;
  graph.start_over();
  finished.reset();
  failure = nullptr;
  return note;
}

}  // namespace retort
