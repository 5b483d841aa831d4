#include "pair_loss.h"

#include <torch/csrc/autograd/autograd.h>

#include "expect.h"

namespace retort::test {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using Compare = std::function<AssertionResult(const at::Tensor&, const at::Tensor&)>;

AssertionResult compare(
    const DifferentiatedPair& actual, const DifferentiatedPair& expected, const Compare& compare_one) {
  const AssertionResult loss = compare_one(actual.loss, expected.loss);
  if (!loss) return AssertionFailure() << "loss: " << loss.message();
  const AssertionResult student = compare_one(actual.student, expected.student);
  if (!student) return AssertionFailure() << "student: " << student.message();
  const AssertionResult teacher = compare_one(actual.teacher, expected.teacher);
  if (!teacher) return AssertionFailure() << "teacher: " << teacher.message();
  return ::testing::AssertionSuccess();
}

}  // namespace

DifferentiatedPair differentiate(const PairLoss& loss, const Pair& pair) {
  const at::Tensor student = pair.student.detach().requires_grad_();
  const at::Tensor teacher = pair.teacher.detach().requires_grad_();
  const at::Tensor value = loss({student, teacher, pair.constants});
  const auto gradients = torch::autograd::grad({value}, {student, teacher});
  return {value, gradients[0], gradients[1]};
}

at::Tensor student_gradient(const PairLoss& loss, const Pair& pair) {
  const at::Tensor student = pair.student.detach().requires_grad_();
  return torch::autograd::grad({loss({student, pair.teacher, pair.constants})}, {student})[0];
}

Pair changed(const Pair& pair, const std::function<at::Tensor(const at::Tensor&)>& change) {
  Pair result{change(pair.student), change(pair.teacher)};
  for (const at::Tensor& constant : pair.constants) result.constants.push_back(change(constant));
  return result;
}

Pair in_float64(const Pair& pair) {
  return changed(
      pair, [](const at::Tensor& tensor) { return tensor.is_floating_point() ? tensor.to(at::kDouble) : tensor; });
}

AssertionResult close(const DifferentiatedPair& actual, const DifferentiatedPair& expected) {
  return compare(actual, expected, [](const at::Tensor& a, const at::Tensor& e) { return close(a, e); });
}

AssertionResult close(const DifferentiatedPair& actual, const DifferentiatedPair& expected, double tolerance) {
  return compare(actual, expected, [=](const at::Tensor& a, const at::Tensor& e) { return close(a, e, tolerance); });
}

AssertionResult same_bits(const DifferentiatedPair& actual, const DifferentiatedPair& expected) {
  return compare(actual, expected, [](const at::Tensor& a, const at::Tensor& e) { return same_bits(a, e); });
}

}  // namespace retort::test
