#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace retort {

class WholeBatch;

/// The shapes of the feature maps that a criterion compares, in the order of its taps and without the batch
/// dimension, e.g. {64, 8, 8} for a map [B, 64, 8, 8].
struct FeatureShapes {
  std::vector<std::vector<int64_t>> student;
  std::vector<std::vector<int64_t>> teacher;
  /// Widths of the logits; 0 if unknown, as for a teacher whose outputs come with each batch.
  int64_t classes_student = 0;
  int64_t classes_teacher = 0;
};

/// The part of a criterion's input that is known before the networks run. Tensors that a batch does not have are
/// undefined.
struct CriterionBatch {
  /// int64 [B], -1 for a sample without a label.
  at::Tensor labels;
  /// int64 [B], the samples' rows in the data set.
  at::Tensor indices;
  /// int64 [B, K+1], rows to contrast with, the positive first.
  at::Tensor contrast;
  /// [B], the sample weights, at least 0 and, on at least one rank, not all 0; undefined if all samples have the same
  /// weight. Losses without sample weights ignore them.
  at::Tensor weights;
  /// B, the number of samples.
  int64_t samples = 0;
  /// The batch of all ranks, of which this is a part; null if there is only this part, and always in `check_batch` and
  /// `applies`.
  const WholeBatch* whole = nullptr;
};

/// The input from which a criterion computes the loss of a batch.
struct CriterionInput : CriterionBatch {
  /// The student's taps, in the order in which they were given; gradients flow into them.
  std::vector<at::Tensor> student;
  /// The teacher's taps, in the order in which they were given; constants.
  std::vector<at::Tensor> teacher;
  /// [B, classes]; gradients flow into them.
  at::Tensor logits_student;
  /// [B, classes]; constants, in the student's dtype.
  at::Tensor logits_teacher;
};

/// A distillation loss as part of a training step. It is a module, so that its parameters are trained with the student,
/// and its parameters and buffers have names, a device and a dtype. A step keeps them in float64 for a float64 student.
/// Otherwise, it keeps those in half precision as they are, and all others in float32.
class RETORT_API Criterion : public torch::nn::Module {
 public:
  /// Checks a batch before anything runs. Changes nothing.
  /// @throws ShapeError if a tensor is missing or does not fit
  /// @throws c10::ValueError if a number is out of range
  virtual void check_batch(const CriterionBatch& batch) const;

  /// Returns whether the loss is defined for a batch that passed `check_batch`; if not, it is skipped in this step.
  /// True by default.
  virtual bool applies(const CriterionBatch& batch) const;

  /// Draws the random numbers that the next `forward` needs. `forward` itself must not draw any, since a CUDA graph
  /// replays the numbers that it was recorded with. The generator is rolled back if the step fails.
  virtual void draw(const CriterionBatch& batch);

  /// Computes the loss of one batch that passed `check_batch`, a scalar connected to `input.logits_student` or
  /// `input.student`. Must change nothing but buffers.
  virtual at::Tensor forward(const CriterionInput& input) = 0;

  /// Saves the buffers for `restore`. Called before each step. The default copies all of them; a criterion with large
  /// buffers should save only what it changes.
  virtual void snapshot();

  /// Restores the buffers as they were at the last `snapshot`. Called if the step is rolled back.
  virtual void restore();

  /// Called after the backward pass, e.g. to update a memory of embeddings. Must change nothing but buffers. On a GPU,
  /// and with late results, it is also called for a step that later turns out to have failed; `restore` is then called.
  /// If it throws, the step fails and is rolled back.
  virtual void after_step(const CriterionInput& input);

  /// Returns the number that the loss is divided by: the number of samples, which is the default, or the sum of their
  /// weights. With several ranks, the loss of the whole batch is the mean of the parts' losses, weighted by this
  /// number. Returns std::nullopt if the loss is a sum over the samples, which is not divided. Ignored if the loss does
  /// not apply to the batch.
  virtual std::optional<double> divisor(const CriterionBatch& batch) const;

  /// Returns the buffers that differ between ranks after a step and are set to their mean over the ranks, weighted by
  /// the ranks' samples, such as BatchNorm's running statistics; by default all floating point buffers. A criterion
  /// should leave out those that it computes from the whole batch.
  virtual std::vector<at::Tensor> buffers_of_own_batch() const;

  /// Returns the temperature T of a loss that uses the teacher's logits only as softmax(logits / T), so that they can
  /// be replaced by the logits that T softens to any given probabilities: see TeacherMean::kProbabilities. std::nullopt
  /// by default.
  virtual std::optional<double> temperature() const;

  /// Returns why forward() and after_step() can't be part of a CUDA graph, which replays only the work that they launch
  /// on the device; empty, the default, if they can.
  virtual std::string obstacle_to_graph() const;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

/// The options of one kind of criterion, from which a training step builds it once the shapes are known. Every loss
/// derives its options struct from this one.
struct RETORT_API CriterionOptions {
  CriterionOptions() = default;
  CriterionOptions(const CriterionOptions&) = default;
  CriterionOptions& operator=(const CriterionOptions&) = default;
  virtual ~CriterionOptions();

  /// Checks the options against the shapes and builds the criterion.
  /// @throws c10::ValueError if an option is out of range
  /// @throws ShapeError if the shapes do not fit
  virtual std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const = 0;

  /// Returns the options in one line, e.g. `kd_loss(temperature=4, target=logits)`. It is stored in checkpoints, which
  /// load only into a step with the same description. The default is the type's name.
  virtual std::string description() const;
};

}  // namespace retort
