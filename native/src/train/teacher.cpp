#include "train/teacher.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "distributed/batch_norm.h"
#include "io/checksum.h"
#include "io/description.h"
#include "runtime/stopwatch.h"
#include "tensor/check.h"
#include "tensor/for_autograd.h"
#include "tensor/rows.h"
#include "tensor/shapes.h"
#include "train/autocast.h"
#include "train/class_name.h"
#include "train/taps.h"
#include "train/teacher_choice.h"

namespace retort {
namespace {

/// Whether a module normalises by running statistics, native or TorchScript's.
bool is_batch_norm(const torch::nn::Module& module) {
  return module.named_buffers(/*recurse=*/false).contains("running_mean");
}

/// Of everything that the outputs for a sample depend on, but for the sample itself.
uint64_t fingerprint(
    const TeacherOptions& options, const Preprocessing& batches, const std::vector<std::string>& taps) {
  std::vector<Option> all = {
      {"input_shape", batches.input_shape},
      {"images", options.preprocessing.description()},
      {"precision", static_cast<int64_t>(options.precision)},
      {"taps", taps}};
  // Otherwise files are as before there were other sizes.
  if (options.preprocessing.input_shape != batches.input_shape) {
    all.emplace_back("resized", options.preprocessing.input_shape);
  }
  uint64_t sum = checksum(describe("teacher", all));
  const NetworkState& state = NetworkState::of(*options.network);
  const std::string program = state.packed_program();
  // Whatever class runs a program, it computes the same.
  for (const std::string& bytes : {program.empty() ? options.network->name() : program, state.packed_attributes()}) {
    sum = checksum(bytes, sum);
  }
  for (const auto& entry : options.network->state_dict()) {
    sum = checksum(entry.key(), sum);
    sum = checksum(entry.value(), sum);
  }
  return sum;
}

/// A teacher's normalisation, of images as they come with batches.
Preprocessing normalizing(const Preprocessing& batches, Preprocessing of_teacher) {
  of_teacher.input_shape = batches.input_shape;
  of_teacher.channels_last = batches.channels_last;
  return of_teacher;
}

}  // namespace

Teacher::Teacher(
    const TeacherOptions& options, const Preprocessing& batches, std::vector<std::string> taps,
    at::TensorOptions student)
    : role_(role_of(options)),
      network_(options.network),
      images_(kTrainingStep, normalizing(batches, options.preprocessing), options.preprocessing.input_shape),
      taps_(std::move(taps)),
      student_(student),
      batch_norm_(options.batch_norm),
      precision_(options.precision),
      format_(options.format) {
  RETORT_CHECK(
      network_ || taps_.empty(), kTrainingStep, ": ", role_, " must be given with terms on features (got null)");
  const int64_t samples = options.cache.samples;
  RETORT_CHECK(
      samples >= 0, kTrainingStep, ": samples of the ", role_, "'s cache must be at least 0 (got ", samples, ")");
  RETORT_CHECK(network_ || samples == 0, kTrainingStep, ": ", role_, " must be given with a cache (got null)");
  if (!network_) return;

  stored_ = dynamic_cast<const StoredTeacher*>(network_.get());
  classes_ = network_->classes();
  participant_.emplace(*network_);
  for (const std::string& tap : taps_) {
    tap_indices_.push_back(place_of_tap(*network_, role_, tap));
    tap_shapes_.push_back(network_->tap_shape(tap));
  }
  const bool normalises_batches = batch_norm_ != TeacherBatchNorm::kEvaluation;
  plan_.emplace(*network_, [&](const std::string&, const torch::nn::Module& part) {
    return normalises_batches && is_batch_norm(part);
  });
  if (samples == 0) return;
  RETORT_CHECK(
      !normalises_batches, kTrainingStep,
      ": BatchNorm of a teacher with a cache must be in evaluation mode (got one of the batch's statistics)");
  cache_dtype_ = precision_ == Precision::kFull ? student_.dtype().toScalarType() : dtype_of(precision_);
  std::vector<TeacherCache::Output> rows = {{{classes_}, cache_dtype_}};
  for (const std::vector<int64_t>& shape : tap_shapes_) rows.push_back({shape, cache_dtype_});
  cache_.emplace(samples, std::move(rows), options.cache.file, fingerprint(options, batches, taps_));
}

void Teacher::check(const Batch& batch, const NetworkOutput& given) const {
  const int64_t size = batch.images.size(0);
  const auto check_output = [&](const std::string& what, const at::Tensor& tensor,
                                const std::vector<int64_t>& of_sample) {
    const std::vector<int64_t> shape = with_batch(size, of_sample);
    RETORT_CHECK_AS(
        ShapeError, tensor.defined() && tensor.sizes() == at::IntArrayRef(shape), kTrainingStep, ": ", what,
        " must be of shape ", at::IntArrayRef(shape), " (got ",
        tensor.defined() ? c10::str(tensor.sizes()) : "an undefined tensor", ")");
    RETORT_CHECK_AS(
        ShapeError, tensor.is_floating_point() && tensor.device() == student_.device(), kTrainingStep, ": ", what,
        " must be floating point and on the student's device (got ", tensor.scalar_type(), " on ", tensor.device(),
        ")");
  };
  if (!given.logits.defined()) {
    RETORT_CHECK_AS(
        ShapeError, given.features.empty(), kTrainingStep, ": ", role_,
        "'s logits must be given with its features (got an undefined tensor)");
    RETORT_CHECK_AS(
        ShapeError, network_, kTrainingStep, ": ", role_,
        "'s logits must be given without its network (got an undefined tensor)");
    if (cache_) check_rows(kTrainingStep, "indices", batch.indices, 1, cache_->samples());
    if (stored_) check_rows(kTrainingStep, "indices", batch.indices, 1, stored_->outputs().options().samples);
    return;
  }
  const at::Tensor& logits = given.logits;
  RETORT_CHECK_AS(
      ShapeError, logits.dim() == 2, kTrainingStep, ": ", role_, "'s logits must be of shape [", size,
      ", classes] (got ", logits.sizes(), ")");
  check_output(role_ + "'s logits", logits, {network_ ? classes_ : logits.size(1)});
  RETORT_CHECK_AS(
      ShapeError, given.features.size() == taps_.size(), kTrainingStep, ": ", role_,
      "'s features must be one for each of ", taps_.size(), " taps (got ", given.features.size(), ")");
  for (size_t i = 0; i < taps_.size(); ++i) {
    check_output(role_ + "'s feature " + taps_[i], given.features[i], tap_shapes_[i]);
  }
}

void Teacher::begin(const NetworkOutput& given, Transaction& transaction) {
  has_joined_ = false;
  ran_ = false;
  fresh_.clear();
  if (!given.logits.defined() && !cache_ && !stored_) join(transaction);
}

void Teacher::join(Transaction& transaction) {
  transaction.join(*participant_);
  has_joined_ = true;
}

NetworkOutput Teacher::outputs(const Batch& batch, const NetworkOutput& given, Transaction& transaction) {
  const at::NoGradGuard no_gradients;
  NetworkOutput output = given.logits.defined() ? given
                         : stored_              ? stored_->outputs().read(batch.indices, tap_indices_)
                         : cache_               ? cached(batch, transaction)
                                                : computed(batch.images, transaction);
  const auto like_student = [this](at::Tensor& tensor) {
    if (tensor.is_floating_point()) tensor = for_autograd(tensor.detach().to(student_));
  };
  like_student(output.logits);
  for (at::Tensor& feature : output.features) like_student(feature);
  return output;
}

NetworkOutput Teacher::computed(const at::Tensor& images, Transaction& transaction) {
  const Stopwatch watch;
  if (!has_joined_) join(transaction);
  ran_ = true;
  const at::TensorOptions own = network_->tensor_options();
  const NetworkOutput all = outputs_of(images_.prepare(images, own, to_aten(format_.next())));
  if (batch_norm_ == TeacherBatchNorm::kBatchStatistics) participant_->roll_back();
  NetworkOutput output{all.logits, {}};
  for (int64_t tap : tap_indices_) output.features.push_back(all.features[static_cast<size_t>(tap)]);
  nanoseconds_ = watch.nanoseconds();
  return output;
}

NetworkOutput Teacher::outputs_of(const at::Tensor& prepared) {
  if (batch_norm_ == TeacherBatchNorm::kEvaluation && precision_ == Precision::kFull) {
    if (std::optional<NetworkOutput> output = NetworkState::of(*network_).evaluate_fused(prepared)) return *output;
  }
  const ModuleMode mode(*plan_);
  const Autocast autocast(prepared.device(), precision_);
  return network_->forward(prepared);
}

NetworkOutput Teacher::cached(const Batch& batch, Transaction& transaction) {
  const at::Tensor indices = batch.indices.cpu();
  const std::vector<int64_t> missing = cache_->missing(indices);
  const auto as_output = [](std::vector<at::Tensor> rows) {
    NetworkOutput output{rows.front(), {}};
    output.features.assign(rows.begin() + 1, rows.end());
    return output;
  };
  if (missing.empty()) return as_output(cache_->read(indices));

  // Other ranks may miss none, so that theirs don't run.
  const BatchNormOfAllRanks none(nullptr);
  const at::Tensor positions = at::tensor(missing, at::kLong);
  const bool is_new = missing.size() == static_cast<size_t>(indices.size(0));
  const at::Tensor images = is_new ? batch.images : batch.images.index_select(0, positions.to(batch.images.device()));
  const NetworkOutput output = computed(images, transaction);
  // Rounded as the cache rounds them, so that a sample's outputs are the same in every epoch.
  const auto as_row = [this](const at::Tensor& tensor) { return tensor.to(cache_dtype_).cpu().contiguous(); };
  fresh_ = {as_row(output.logits)};
  for (const at::Tensor& feature : output.features) fresh_.push_back(as_row(feature));
  fresh_indices_ = is_new ? indices : indices.index_select(0, positions);
  if (is_new) return as_output(fresh_);

  std::vector<int64_t> known;
  for (int64_t i = 0; i < indices.size(0); ++i) {
    if (!std::binary_search(missing.begin(), missing.end(), i)) known.push_back(i);
  }
  const at::Tensor known_positions = at::tensor(known, at::kLong);
  std::vector<at::Tensor> rows = cache_->read(indices.index_select(0, known_positions));
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<int64_t> shape = rows[i].sizes().vec();
    shape[0] = indices.size(0);
    const at::Tensor all = at::empty(shape, rows[i].options());
    all.index_copy_(0, known_positions, rows[i]);
    rows[i] = all.index_copy_(0, positions, fresh_[i]);
  }
  return as_output(std::move(rows));
}

void Teacher::cache_outputs() {
  cache_->write(fresh_indices_, fresh_);
  fresh_.clear();
}

void Teacher::note_time(int64_t nanoseconds) {
  if (std::exchange(ran_, false)) format_.note(nanoseconds);
}

}  // namespace retort
