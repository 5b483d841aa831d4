#include "train/gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <map>
#include <utility>

#include "tensor/operators.h"
#include "tensor/scalar.h"

namespace retort {
namespace {

/// PyTorch's constant against a division by zero.
constexpr double kSmallestDivisor = 1e-6;

/// Whether multiplying by a factor can be left out, where looking at it costs nothing.
bool is_known_to_be_one(const at::Tensor& factor) {
  return factor.is_cpu() && value_of(factor) == 1;
}

}  // namespace

void write_norms(const Gradients& gradients, const at::Tensor& norms) {
  using Write = void(at::TensorList, const at::Tensor&);
  static const auto write = find_operator<Write>("retort::_write_norms");
  const at::AutoDispatchBelowAutograd no_autograd;
  write.call(gradients, norms);
}

Gradients clip(Gradients gradients, const at::Tensor& norms, double clip_value, double clip_norm) {
  at::Tensor own_norms = norms;
  if (clip_value > 0) {
    for (at::Tensor& gradient : gradients) {
      if (gradient.defined()) gradient = gradient.clamp(-clip_value, clip_value);
    }
    if (clip_norm > 0) write_norms(gradients, own_norms = at::empty_like(norms));
  }
  if (clip_norm == 0) return gradients;
  const at::Tensor norm = own_norms.square().sum().sqrt();
  return times(std::move(gradients), (clip_norm / (norm + kSmallestDivisor)).clamp_max(1));
}

Gradients times(Gradients gradients, const at::Tensor& factor) {
  if (is_known_to_be_one(factor)) return gradients;
  std::map<at::ScalarType, std::vector<size_t>> of_dtypes;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) of_dtypes[gradients[i].scalar_type()].push_back(i);
  }
  for (const auto& [dtype, members] : of_dtypes) {
    // In half precision the factor itself would be rounded.
    const at::ScalarType computed_in = dtype == at::kDouble ? at::kDouble : at::kFloat;
    std::vector<at::Tensor> factors;
    for (size_t member : members) factors.push_back(gradients[member].to(computed_in));
    const std::vector<at::Tensor> products = at::_foreach_mul(factors, factor.to(computed_in));
    for (size_t i = 0; i < members.size(); ++i) gradients[members[i]] = products[i].to(dtype);
  }
  return gradients;
}

Gradients Accumulation::plus(const Gradients& gradients) const {
  Gradients sum = sum_;
  sum.resize(gradients.size());
  for (size_t i = 0; i < sum.size(); ++i) {
    if (!gradients[i].defined()) continue;
    // A copy, since a gradient may be a view of the batch, which its owner overwrites. Contiguous, as a checkpoint has
    // it: the norm is summed in the order of memory.
    sum[i] = sum[i].defined() ? sum[i] + gradients[i] : gradients[i].clone(at::MemoryFormat::Contiguous);
  }
  return sum;
}

void Accumulation::keep(Gradients sum) {
  sum_ = std::move(sum);
  ++count_;
}

void Accumulation::clear() {
  sum_.clear();
  count_ = 0;
}

void Accumulation::restore(Gradients sum, int64_t count) {
  sum_ = std::move(sum);
  count_ = count;
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  // Tensors may be undefined.
  m.def("_write_norms(Tensor[] tensors, Tensor(a!) norms) -> ()");
}

}  // namespace retort
