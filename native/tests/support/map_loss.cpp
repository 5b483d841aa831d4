#include "map_loss.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "expect.h"

namespace retort::test {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;
using Compare = AssertionResult (*)(const at::Tensor&, const at::Tensor&);

AssertionResult compare(const char* name, const Maps& actual, const Maps& expected, Compare compare_one) {
  if (actual.size() != expected.size()) return AssertionFailure() << name << ": another number";
  for (size_t i = 0; i < actual.size(); ++i) {
    const AssertionResult result = compare_one(actual[i], expected[i]);
    if (!result) return AssertionFailure() << name << "[" << i << "]: " << result.message();
  }
  return AssertionSuccess();
}

AssertionResult compare(const DifferentiatedMaps& actual, const DifferentiatedMaps& expected, Compare compare_one) {
  AssertionResult result = compare("losses", actual.losses, expected.losses, compare_one);
  if (result) result = compare("student", actual.student, expected.student, compare_one);
  if (result) result = compare("teacher", actual.teacher, expected.teacher, compare_one);
  return result;
}

Maps leaves(const Maps& maps) {
  Maps copies;
  for (const at::Tensor& map : maps) copies.push_back(map.detach().requires_grad_());
  return copies;
}

}  // namespace

DifferentiatedMaps differentiate(
    const MapLoss& loss, const Maps& student, const Maps& teacher, const at::Tensor& weights) {
  const Maps s = leaves(student);
  const Maps t = leaves(teacher);
  DifferentiatedMaps result{loss(s, t), {}, {}};
  const at::Tensor losses = at::stack(result.losses);
  const at::Tensor total = weights.defined() ? (losses * weights.to(losses.scalar_type())).sum() : losses.sum();
  Maps inputs = s;
  inputs.insert(inputs.end(), t.begin(), t.end());
  const Maps gradients = torch::autograd::grad({total}, inputs);
  const auto middle = gradients.begin() + static_cast<std::ptrdiff_t>(s.size());
  result.student.assign(gradients.begin(), middle);
  result.teacher.assign(middle, gradients.end());
  return result;
}

Maps to(const Maps& maps, at::ScalarType dtype) {
  Maps result;
  for (const at::Tensor& map : maps) result.push_back(map.to(dtype));
  return result;
}

AssertionResult close(const DifferentiatedMaps& actual, const DifferentiatedMaps& expected) {
  return compare(actual, expected, &close);
}

AssertionResult close(const Maps& actual, const Maps& expected) {
  return compare("list", actual, expected, &close);
}

AssertionResult same_bits(const DifferentiatedMaps& actual, const DifferentiatedMaps& expected) {
  return compare(actual, expected, &same_bits);
}

AssertionResult same_bits(const Maps& actual, const Maps& expected) {
  return compare("list", actual, expected, &same_bits);
}

bool all_finite(const DifferentiatedMaps& result) {
  const auto finite = [](const at::Tensor& tensor) { return tensor.isfinite().all().item<bool>(); };
  return std::all_of(result.losses.begin(), result.losses.end(), finite) &&
         std::all_of(result.student.begin(), result.student.end(), finite) &&
         std::all_of(result.teacher.begin(), result.teacher.end(), finite);
}

double largest(const at::Tensor& tensor) {
  return tensor.numel() == 0 ? 0.0 : tensor.abs().max().item<double>();
}

}  // namespace retort::test
