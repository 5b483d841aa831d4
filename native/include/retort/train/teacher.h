#pragma once

#include <retort/export.h>
#include <retort/models/network.h>
#include <retort/models/preprocessing.h>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace retort {

class StoredOutputs;

/// The memory layout of a network's feature maps. Results differ only by rounding.
enum class MemoryFormat {
  /// [B, C, H, W]
  kContiguous,
  /// [B, H, W, C], in which convolutions are often faster. Needs inputs of rank 3.
  kChannelsLast,
  /// Whichever of the two is faster: the first eight batches alternate between them and are timed. Two runs may
  /// therefore choose differently and differ in rounding; a resumed run keeps the choice. On a GPU the whole step is
  /// timed, so networks that are all kAuto get the same format.
  kAuto,
  /// The format that is usually fastest, without timing: kChannelsLast for inputs of rank 3 on a CPU or with a
  /// precision other than kFull, otherwise kContiguous.
  kDefault,
};

/// The arithmetic of a network's forward pass.
enum class Precision {
  /// That of the network's dtype.
  kFull,
  /// Convolutions and matrix products in bfloat16, using PyTorch's autocast; weights, losses and updates are
  /// unaffected.
  kBFloat16,
  /// The same in float16, for GPUs without bfloat16. The student's loss is scaled so that gradients do not vanish, as
  /// torch.amp.GradScaler does: the scale starts at 65536, is halved when a gradient overflows and doubled after 2,000
  /// batches without an overflow. A batch whose gradients overflow is skipped, with StepResult::skipped set.
  kFloat16,
};

/// The mode of a teacher's BatchNorms. The rest of the teacher is always in evaluation mode.
enum class TeacherBatchNorm {
  /// Normalises by the running statistics, as most code does.
  kEvaluation,
  /// Normalises by the batch's statistics and updates the running ones, as OFD's official code does.
  kTraining,
  /// Normalises by the batch's statistics, without updating the running ones.
  kBatchStatistics,
};

/// A cache of a teacher's outputs, keyed by the samples' rows in the data set (Batch::indices), so that each output
/// is computed once. Requires data without augmentation and a teacher that does not change.
struct RETORT_API TeacherCacheOptions {
  /// Number of rows of the data set; 0 for no cache.
  int64_t samples = 0;
  /// The file of the cache, for reuse by later processes; if empty, the cache is in memory. A file is for one teacher,
  /// data set, selection of taps and preparation of images; of the data set, only the number of rows is checked.
  std::string file;
};

/// A network to learn from and how it runs, or stored outputs.
struct RETORT_API TeacherOptions {
  TeacherOptions() = default;
  /// Creates a teacher with the default options from a network: `options.teachers = {network}`.
  template <
      typename N, typename = std::enable_if_t<std::is_convertible_v<std::shared_ptr<N>, std::shared_ptr<Network>>>>
  TeacherOptions(std::shared_ptr<N> teacher) : network(std::move(teacher)) {}
  /// Creates a teacher with the default options from stored outputs: `options.teachers = {outputs}`.
  template <typename S, std::enable_if_t<std::is_same_v<std::remove_const_t<S>, StoredOutputs>, int> = 0>
  TeacherOptions(std::shared_ptr<S> outputs) : stored_outputs(std::move(outputs)) {}

  /// The name by which terms refer to it, different for each teacher of a step: letters, digits, `_` and `-`.
  std::string name = "teacher";
  /// The network, different for each teacher of a step. Null if its outputs are stored, or if its logits come with each
  /// batch (Batch::teacher_outputs); in the latter case, no term may tap it.
  std::shared_ptr<Network> network;
  /// The outputs of an absent teacher, in place of `network`. Each batch that does not include the teacher's outputs
  /// needs Batch::indices, which select the rows to read. The outputs are those of the images they were stored for: if
  /// images are augmented, a sample has the same outputs however its image was augmented. Of the other options, only
  /// the name and the weight have an effect, and a cache is rejected.
  std::shared_ptr<const StoredOutputs> stored_outputs;
  /// Its weight in means of several teachers (Term::teacher_mean), finite and >= 0. The weights of the teachers that a
  /// term mixes are divided by their sum.
  double weight = 1.0;
  /// The size and normalisation of its images, which the network stores (Network::preprocessing). By default, they are
  /// those that it was trained with; those it does not know are taken from the step. A mean of {0} and a deviation of
  /// {1} leave images unchanged. If the height and width differ from those of the batch's images, these are resized
  /// bilinearly, without antialiasing and without aligned corners, as by torch.nn.functional.interpolate. The order of
  /// the images' dimensions is that of the step.
  Preprocessing preprocessing;
  MemoryFormat format = MemoryFormat::kDefault;
  Precision precision = Precision::kFull;
  TeacherBatchNorm batch_norm = TeacherBatchNorm::kEvaluation;
  /// A file is for one teacher only.
  TeacherCacheOptions cache;
};

}  // namespace retort
