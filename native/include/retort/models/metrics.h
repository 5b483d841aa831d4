#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>

#include <cstdint>

namespace retort {

/// The number of largest logits among which count_predictions() looks for a label, as for ImageNet's top-5 accuracy.
constexpr int64_t kTopPredictions = 5;

/// Counts what the logits of a batch predict, for accuracy, precision and recall over any number of batches: adds 1 to
/// confusion[label][prediction] for each sample with a label. The prediction is the class with the largest logit, the
/// first of equal ones, as in Network::accuracy, so the accuracy is the sum of the diagonal divided by that of the
/// matrix. NaN is less than every number.
///
/// Example:
///
///     at::Tensor confusion = at::zeros({10, 10}, at::kLong);
///     int64_t in_top = 0;
///     for (const auto& [images, labels] : batches) in_top += network.count_predictions(images, labels, confusion);
///     const double accuracy = confusion.trace().item<double>() / confusion.sum().item<double>();
///
/// @param logits floating point [B, classes], on any device
/// @param labels int64 [B]; -1 marks a sample without a label, which is ignored
/// @param confusion int64 [classes, classes], contiguous, on the CPU
/// @param top at least 1; all classes if there are fewer
/// @return the number of samples with their label among the `top` largest logits
/// @throws c10::ValueError if an argument does not fit; nothing is counted in that case
RETORT_API int64_t count_predictions(
    const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& confusion, int64_t top = kTopPredictions);

}  // namespace retort
