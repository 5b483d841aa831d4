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
  /// What is fastest as a rule: kChannelsLast for inputs of rank 3 on a CPU or of a precision other than kFull,
  /// otherwise kContiguous. Unlike kAuto, it does not depend on times.
  kDefault,
};

/// The arithmetic of a network's forward pass.
enum class Precision {
  /// That of the network's dtype.
  kFull,
  /// Convolutions and matrix products in bfloat16 (PyTorch's autocast); weights, losses and updates stay as they are.
  kBFloat16,
  /// The same in float16, for GPUs that have no bfloat16. The student's loss is scaled so that gradients do not vanish,
  /// as by torch.amp.GradScaler: the scale starts at 65536, is halved when a gradient overflows and doubled after 2,000
  /// batches without an overflow. A batch whose gradients overflow is skipped, with StepResult::skipped set.
  kFloat16,
};

/// The mode of a teacher's BatchNorms. The rest of the teacher is always in evaluation mode.
enum class TeacherBatchNorm {
  /// Normalise by the running statistics, as most code does.
  kEvaluation,
  /// Normalise by the batch's statistics and update the running ones, as the official code of OFD does.
  kTraining,
  /// Normalise by the batch's statistics, without updating the running ones.
  kBatchStatistics,
};

/// A cache of a teacher's outputs, keyed by the samples' rows in the data set (Batch::indices), so that each output
/// is computed once. Requires data without augmentation and a teacher that does not change.
struct RETORT_API TeacherCacheOptions {
  /// Rows of the data set; 0 for no cache.
  int64_t samples = 0;
  /// The file that stores the cache for later processes; in memory if empty. A file belongs to one teacher, data set,
  /// selection of taps and preparation of images; of the data set, only the number of rows is checked.
  std::string file;
};

/// A network to learn from, and how it runs, or outputs that were stored.
struct RETORT_API TeacherOptions {
  TeacherOptions() = default;
  /// A network with the default options: `options.teachers = {network}`.
  template <
      typename N, typename = std::enable_if_t<std::is_convertible_v<std::shared_ptr<N>, std::shared_ptr<Network>>>>
  TeacherOptions(std::shared_ptr<N> teacher) : network(std::move(teacher)) {}
  /// Stored outputs with the default options: `options.teachers = {outputs}`.
  template <typename S, std::enable_if_t<std::is_same_v<std::remove_const_t<S>, StoredOutputs>, int> = 0>
  TeacherOptions(std::shared_ptr<S> outputs) : stored_outputs(std::move(outputs)) {}

  /// By which terms name it: letters, digits, `_` and `-`. Another one for each teacher of a step.
  std::string name = "teacher";
  /// Another one for each teacher. Null if its outputs are stored, or if its logits come with each batch
  /// (Batch::teacher_outputs); in the latter case no term may have taps of it.
  std::shared_ptr<Network> network;
  /// The outputs of a teacher that is not there, in place of `network`: each batch that has none of its own needs
  /// Batch::indices, by which its rows are read. They are those of the images that were stored: if images are
  /// augmented, a sample has the same outputs whatever became of its image. Of the other options, only the name and the
  /// weight have an effect, and the cache must be none.
  std::shared_ptr<const StoredOutputs> stored_outputs;
  /// Its part in the means of several teachers (Term::teacher_mean), finite and >= 0. The weights of the teachers that
  /// a term mixes are divided by their sum.
  double weight = 1.0;
  /// The size and normalisation of its images; it keeps them (Network::preprocessing). By default those it was trained
  /// with, and what it does not know itself is that of the step: {0} and {1} as mean and deviation leave images as they
  /// are. If the height and width differ from those of the batch's images, these are resized, bilinearly, without
  /// antialiasing, and with corners that are not aligned, as by torch.nn.functional.interpolate. The order of the
  /// images' dimensions is that of the step.
  Preprocessing preprocessing;
  MemoryFormat format = MemoryFormat::kDefault;
  Precision precision = Precision::kFull;
  TeacherBatchNorm batch_norm = TeacherBatchNorm::kEvaluation;
  /// A file is of one teacher only.
  TeacherCacheOptions cache;
};

}  // namespace retort
