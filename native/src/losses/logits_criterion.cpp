#include "losses/logits_criterion.h"

#include "tensor/cpu.h"

namespace retort {

bool any_counts(const CriterionBatch& batch, const std::vector<double>& class_weights) {
  return sum_of_weights(batch, class_weights) > 0;
}

double sum_of_weights(const CriterionBatch& batch, const std::vector<double>& class_weights) {
  const at::Tensor labels = contiguous_on_cpu(batch.labels);
  const at::Tensor weights = batch.weights.defined() ? contiguous_on_cpu(batch.weights, at::kDouble) : at::Tensor();
  const int64_t* label = labels.const_data_ptr<int64_t>();
  const double* weight = weights.defined() ? weights.const_data_ptr<double>() : nullptr;
  double sum = 0;
  for (int64_t b = 0; b < labels.numel(); ++b) {
    if (label[b] < 0) continue;
    const auto own = static_cast<size_t>(label[b]);
    sum += (weight ? weight[b] : 1.0) * (own < class_weights.size() ? class_weights[own] : 1.0);
  }
  return sum;
}

}  // namespace retort
