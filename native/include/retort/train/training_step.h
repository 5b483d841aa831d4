#pragma once

#include <ATen/core/Tensor.h>
#include <retort/distributed/ranks.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>
#include <retort/models/network.h>
#include <retort/models/preprocessing.h>
#include <retort/train/stage.h>
#include <retort/train/step_checkpoint.h>
#include <retort/train/teacher.h>
#include <torch/ordered_dict.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// The samples over which BatchNorms in training mode normalise, with several ranks.
enum class BatchNormOver {
  /// Each rank normalises over its own part of the batch, as PyTorch's DistributedDataParallel does. The running
  /// statistics are the mean over the ranks, weighted by their samples.
  kOwnBatch,
  /// All ranks normalise over the whole batch, which gives the results of a single process and costs two exchanges per
  /// BatchNorm. Applies to native networks, programs and OFD's connectors.
  kAllRanks,
};

/// The options of a training step: its first stage, and what all stages share.
struct RETORT_API TrainingStepOptions : Stage {
  /// The network to train.
  std::shared_ptr<Network> student;
  /// The networks to learn from: `{network}` for one. A step runs those that the terms of its stage learn from, each
  /// once. May be empty if there are no terms, or if no term taps a teacher and each batch includes the logits of one.
  std::vector<TeacherOptions> teachers;
  /// Shape of one input, without the batch, channels first. May be empty if the preprocessing defines it.
  std::vector<int64_t> input_shape;
  /// How the images of a batch are prepared for the student, which stores it (Network::preprocessing), and for teachers
  /// without their own normalisation. By default, it is the student's or, if it has none, the one that all teachers
  /// were trained with, if they normalise alike and their options do not say otherwise.
  Preprocessing preprocessing;
  /// The stages after the first.
  std::vector<Stage> later_stages;

  /// Number of batches whose mean gradient makes one update, >= 1.
  int64_t accumulate = 1;
  /// Limit of the total norm of all gradients, as in torch.nn.utils.clip_grad_norm_; 0 for no limit.
  double clip_norm = 0.0;
  /// Limit of the absolute value of each element of a gradient, applied before clip_norm; 0 for no limit.
  double clip_value = 0.0;
  /// Whether batches with a non-finite loss or gradient are skipped, with StepResult::skipped set, instead of throwing
  /// a NonFiniteError.
  bool skip_non_finite = false;

  /// Whether steps are asynchronous: run() returns once its work is enqueued on the device, and reports the result of
  /// the previous step; see TrainingStep.
  bool late_results = false;
  /// Whether a step on a GPU is recorded as a CUDA graph once three consecutive batches have had the same tensors with
  /// the same shapes, and replayed for further such batches, which takes a fraction of the CPU time. Other batches run
  /// without the graph. The learning rate is rounded to float32.
  ///
  /// A graph does not support several batches per update, teacher outputs that are cached, stored or come with the
  /// batch, CRD's Z as a moving average, or networks that draw random numbers (dropout), wait for the device or change
  /// their own attributes. TrainingStep::graph_obstacle reports which.
  bool cuda_graph = false;

  MemoryFormat student_format = MemoryFormat::kDefault;
  Precision student_precision = Precision::kFull;

  /// The processes that train the student together, each on its part of every batch; null for one process. See
  /// TrainingStep. CUDA graphs do not support several ranks.
  std::shared_ptr<Ranks> ranks;
  BatchNormOver batch_norm = BatchNormOver::kOwnBatch;
  /// Size of the buckets in which gradients are summed over the ranks while further ones are computed, >= 1.
  int64_t bucket_bytes = 1 << 20;
};

/// The tensors of one step. They are read, but never changed or kept.
struct RETORT_API Batch {
  /// [B, ...input_shape], or [B, height, width, channels] with Preprocessing::channels_last; of the student's dtype or
  /// uint8. This and the following tensors may be on the student's device or the CPU, unless noted otherwise.
  at::Tensor images;
  /// int64 [B], classes from 0, or -1 for a sample without a label, which takes part only in the distillation terms.
  /// May be undefined if the weight of the cross-entropy is 0.
  at::Tensor labels;
  /// int64 [B], the samples' rows in the data set; may be undefined if neither a term nor a teacher's cache or stored
  /// outputs need them.
  at::Tensor indices;
  /// int64 [B, K+1], rows to contrast with, the positive first; may be undefined if no term needs them.
  at::Tensor contrast;
  /// [B], floating point, the sample weights of the cross-entropy and of losses that support them (KD, DKD, programs):
  /// at least 0 and, on at least one rank, not all 0. Undefined if all samples have the same weight.
  at::Tensor weights = {};
  /// Outputs of teachers for the images, in the order of TrainingStepOptions::teachers, at most one for each, and at
  /// most one if `teachers` is empty. A teacher
  /// whose logits [B, classes] are defined does not run; its features must then be given as well, in the order of
  /// TrainingStep::teacher_taps(). Floating point, on the student's device.
  std::vector<NetworkOutput> teacher_outputs = {};
};

/// The results of one step; with several ranks, those of the whole batch, the same on all ranks except for formats and
/// durations.
struct RETORT_API StepResult {
  /// The weighted sum of all parts of the loss.
  double total = 0.0;
  /// The cross-entropy before weighting; 0 if no labelled sample has a positive weight, or if the weight of the
  /// cross-entropy is 0.
  double cross_entropy = 0.0;
  /// The value of each term before weighting, in the order of the stage's terms; 0 for a term that does not apply to
  /// the batch (Criterion::applies). May be empty if the batch was skipped.
  std::vector<double> terms;
  /// Number of labelled samples whose label the student's logits predicted in this step.
  int64_t correct = 0;
  /// Number of labelled samples.
  int64_t labeled = 0;
  /// Number of samples, labelled or not.
  int64_t samples = 0;
  /// The norm of all gradients together, before clipping; of those accumulated so far, if there are several batches per
  /// update.
  double gradient_norm = 0.0;
  /// The learning rate of the update that this batch belongs to.
  double learning_rate = 0.0;
  /// Whether the parameters were updated; false for the first batches of an accumulation, and if the batch was skipped.
  bool updated = false;
  /// Whether the batch was skipped because a loss or gradient was not finite. A skipped batch changes nothing, and the
  /// values are those computed up to that point.
  bool skipped = false;
  /// Whether a CUDA graph ran the step.
  bool graph = false;
  /// The stage that the batch belonged to, from 0.
  int64_t stage = 0;
  /// The memory formats of this step: kContiguous or kChannelsLast, one for each teacher.
  MemoryFormat student_format = MemoryFormat::kContiguous;
  std::vector<MemoryFormat> teacher_formats;
  /// The duration of the step; with late results on a GPU, on the device.
  int64_t nanoseconds = 0;
  /// How long the step waited for other ranks, including the exchange itself.
  int64_t waiting_nanoseconds = 0;
};

/// Trains a student with one or more teachers: a step runs the teachers' and the student's forward passes, the weighted
/// losses, the backward pass, checks, clipping and the optimizer.
///
/// Teachers run without gradients, the student in training mode; the modes of all networks are restored. Calls are
/// serialised, and hold the mutexes of all networks. Gradients are local to the call: the parameters' own `grad` is
/// neither read nor written.
///
/// A step is a transaction: it commits, or it fails and is rolled back. Rolling back restores, bit for bit, parameters,
/// buffers, optimizer, accumulated gradients, criteria, teachers' caches, the default generator of the student's device
/// and the counters.
///
/// On a GPU, a batch may be in CPU memory: the step copies it to the device through its own page-locked memory, and the
/// batch may be overwritten once run() returns. Work runs on the calling thread's current stream. A step synchronises
/// with the device once, for the losses and the norms of the gradients; the update may still be running when run()
/// returns. It synchronises again to check the values of a batch that is on the device, to compute CRD's Z (until Z is
/// known, or in every step if Z is a moving average), and to cache a teacher's outputs or read stored ones.
///
/// With late results, steps are asynchronous: run() returns while its step is pending. The next run(), or finish(),
/// waits for the pending step and reports its result. Only then is it known whether the step has failed: if so, it is
/// rolled back, and run() throws its error and ignores the new batch. Until then, buffers of the networks may be those
/// of a step that will fail; parameters never are. All members of this class whose value a step changes, and all
/// methods of the networks that read or change weights, first wait for the pending step. While it is pending, other
/// steps and Network::probe() throw if they use its student, or a teacher whose BatchNorms train.
///
/// With several ranks (TrainingStepOptions::ranks), every rank builds the same step, with networks of the same kind,
/// and calls run(), save(), checkpoint() and load() as often as all others, each with its own part of the batch. Parts
/// may differ in size. The student, the criteria and the optimizer start out as those of rank 0. Gradients are summed
/// over the ranks, and every loss is that of the whole batch, so the parameters stay bit-identical on all ranks, and
/// agree with those of one process that is given the whole batch, except for rounding, BatchNorms
/// (BatchNormOver::kOwnBatch) and layers that draw random numbers.
///
/// A step commits on all ranks or on none, with the one exception below. If it fails on one rank, the others throw a
/// RankError with the reason (or a NonFiniteError, or skip the batch, if a number was not finite there), and the next
/// step runs as usual. If a rank is gone or does not respond within the timeout, all others throw a RankError, in this
/// step and all later ones; resume from the last checkpoint then, since if a rank vanishes at the very end of a step,
/// some of the others may have committed it and some not.
///
/// If a step fails, numbers that other code has drawn from the generator since it began are drawn again. Steps order
/// their work across streams, but methods of the networks do not: call those on the stream on which the steps run,
/// which is the default stream unless you set another.
class RETORT_API TrainingStep {
 public:
  /// Probes the networks, builds the criteria and prepares the optimizers of all stages.
  /// @throws ShapeError if a loss does not match its taps, or images do not match their options
  /// @throws FileError if a cache file is not a cache or belongs to another teacher
  /// @throws c10::ValueError if an option is missing or out of range, a tap does not exist, a network does not return
  ///     logits and features, or nothing is left to train
  /// @throws RankError on all ranks, if a rank has different options, networks, version or instruction set, or is gone
  explicit TrainingStep(TrainingStepOptions options);
  /// Waits for a pending step. Call finish() first to find out whether it has failed.
  ~TrainingStep();
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  /// Runs one step.
  /// @param result overwritten if the step succeeds or is skipped; with late results, set to the result of the previous
  ///     step, or to an empty result (of 0 samples) if there was none since the last finish()
  /// @throws ShapeError if a tensor of the batch is missing or does not fit, which is checked before anything runs
  /// @throws NonFiniteError if the loss or a gradient is not finite
  /// @throws FileError if the file of a teacher's cache can't be read or written, or a row of stored outputs is missing
  ///     or damaged
  /// @throws c10::ValueError if a value of the batch is out of range
  /// @throws RankError if the step has failed on another rank, or a rank is gone or at another step
  /// @throws c10::Error if LibTorch fails
  void run(const Batch& batch, StepResult& result);

  /// With late results, waits for the pending step and reports its result.
  /// @param result overwritten if there is a result to report
  /// @return whether there was a result to report: false if no step has run since the last call, or without late
  ///     results
  /// @throws what run() throws, if that step has failed
  bool finish(StepResult& result);

  /// Tells the other ranks that this one can't continue: the call of this step that they are waiting in throws a
  /// RankError with the reason. For errors outside the step, such as data that can't be read; the step reports its own
  /// errors to them itself. The next call on all ranks works as usual. Has no effect if there is one process.
  void fail(const std::string& reason);

  /// Returns why steps do not run as a CUDA graph, in one line: the feature that can't be part of one, or LibTorch's
  /// error when recording it; empty if no obstacle is known.
  std::string graph_obstacle() const;

  /// Publishes the student's weights as they are between steps; see Network::publish.
  void publish();

  /// Saves everything that a step changes, which is all that is needed to resume, to a file: student, buffers,
  /// optimizer, accumulated gradients, criteria, a teacher's running statistics if they are updated, random state,
  /// counters and the chosen memory formats. The write is atomic: a previous file stays until the new one is synced.
  /// Caches of teachers' outputs are not part of the checkpoint.
  ///
  /// With several ranks, rank 0 writes; the others must call this, too, to contribute their random states.
  /// @param note text that load() returns, for example the position in the epoch; at most 1 MiB
  /// @throws FileError if the file can't be written
  /// @throws c10::ValueError if the note is too long
  void save(const std::string& path, const std::string& note = {});
  /// Writes a checkpoint as above to a stream, in one piece; other calls on the step and its networks do not wait for
  /// the stream.
  /// @throws FileError if the stream fails
  /// @throws c10::ValueError as above
  void save(std::ostream& stream, const std::string& note = {});

  /// Copies what save() writes, so that it can be written while further steps run. Waits for a running step, then takes
  /// as long as the copy.
  /// @param note as above
  /// @throws c10::ValueError if the note is too long
  StepCheckpoint checkpoint(const std::string& note = {});

  /// Resumes from a checkpoint: on the same machine, with the same number of threads and, if there is one, the same
  /// file of each teacher's cache, the next steps compute the same bits as after save(). Published weights are not
  /// changed. A result or an error that finish() has not reported yet is dropped.
  ///
  /// With several ranks, rank 0 reads the file and sends it to the others. Any number of ranks may resume; the same
  /// number as saved computes the same bits.
  /// @return the note that was saved with it; empty if there was none
  /// @throws FileError if the file is missing, damaged, not a checkpoint, of a newer format, or from a step with
  ///     different options (the message names the first option that differs); nothing is changed in that case
  std::string load(const std::string& path);
  /// Resumes as above from a stream, which is read to its end before anything else happens.
  /// @param name what error messages call the stream
  /// @throws FileError as above, and if the stream fails
  std::string load(std::istream& stream, const std::string& name = "the stream");

  /// Returns the shape of one input, without the batch.
  const std::vector<int64_t>& input_shape() const;
  /// Returns the number of updates of the parameters.
  int64_t steps() const;
  /// Returns the stage that the next batch belongs to, from 0.
  int64_t stage() const;
  /// Returns the learning rate of the next update.
  double learning_rate() const;
  /// Returns the number of terms of all stages.
  int64_t term_count() const;
  /// Returns the criterion of a term, with its parameters and buffers; terms are counted across all stages.
  /// @throws c10::ValueError if there is no such term
  std::shared_ptr<Criterion> criterion(int64_t term) const;
  /// Returns the taps of a teacher that terms use, each once, in the order of the terms.
  /// @param teacher its name; may be empty if there is only one teacher
  /// @throws c10::ValueError if there is no such teacher
  const std::vector<std::string>& teacher_taps(const std::string& teacher = {}) const;
  /// Returns the tensors that a step changes, by name: `student.NAME`, `terms.INDEX.NAME`, and for the stage's
  /// optimizer `momentum.student.NAME`, `exp_avg.student.NAME` and so on. They share the step's memory.
  torch::OrderedDict<std::string, at::Tensor> state() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace retort
