#include "train/stored_teacher.h"

#include <ATen/ops/zeros.h>

#include <string>
#include <utility>

#include "tensor/shapes.h"

namespace retort {
namespace {

std::vector<std::string> names_of(const std::vector<StoredTap>& taps) {
  std::vector<std::string> names;
  for (const StoredTap& tap : taps) names.push_back(tap.name);
  return names;
}

}  // namespace

StoredTeacher::StoredTeacher(std::shared_ptr<const StoredOutputs> outputs)
    : Network(names_of(outputs->options().taps)), outputs_(std::move(outputs)) {}

NetworkOutput StoredTeacher::compute(const at::Tensor& images) {
  const at::Tensor zero = at::zeros({}, images.options());
  const auto zeros = [&](const std::vector<int64_t>& shape) { return zero.expand(with_batch(images.size(0), shape)); };
  NetworkOutput output{zeros({outputs_->options().classes}), {}};
  for (const StoredTap& tap : outputs_->options().taps) output.features.push_back(zeros(tap.shape));
  return output;
}

}  // namespace retort
