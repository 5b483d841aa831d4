#include "expect.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstring>
#include <mutex>

namespace retort::test {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const c10::ValueError& error) {
    const std::string text = error.what_without_backtrace();
    if (text.find('\n') != std::string::npos) return "more than one line: " + text;
    if (text != error.what()) return std::string("with a backtrace: ") + error.what();
    return text;
  } catch (const std::exception& error) {
    return std::string("not a c10::ValueError: ") + error.what();
  }
  return "nothing was thrown";
}

double tolerance_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return 1e-9;
    case at::kFloat:
      return 2e-4;
    case at::kHalf:
      return 1e-3;
    case at::kBFloat16:
      return 8e-3;
    default:
      return 0.0;
  }
}

AssertionResult close(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  if (!actual.defined() || !expected.defined()) return AssertionFailure() << "a tensor is undefined";
  if (actual.sizes() != expected.sizes()) {
    return AssertionFailure() << "shape " << actual.sizes() << " instead of " << expected.sizes();
  }
  if (actual.numel() == 0) return AssertionSuccess();
  const at::Tensor truth = expected.detach().to(at::kDouble);
  const double difference = (actual.detach().to(at::kDouble) - truth).abs().max().item<double>();
  const double magnitude = truth.abs().max().item<double>();
  const double error = magnitude > 0 ? difference / magnitude : difference;
  // Not `error > tolerance`: NaN must not pass.
  if (!(error <= tolerance)) return AssertionFailure() << "relative error " << error << " above " << tolerance;
  return AssertionSuccess();
}

AssertionResult close(const at::Tensor& actual, const at::Tensor& expected) {
  return close(actual, expected, actual.defined() ? tolerance_of(actual.scalar_type()) : 0.0);
}

AssertionResult close(double actual, double expected, double tolerance) {
  return close(at::scalar_tensor(actual, at::kDouble), at::scalar_tensor(expected, at::kDouble), tolerance);
}

AssertionResult same_bits(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.defined() != expected.defined()) return AssertionFailure() << "only one of the two is defined";
  if (!actual.defined()) return AssertionSuccess();
  if (actual.sizes() != expected.sizes() || actual.scalar_type() != expected.scalar_type()) {
    return AssertionFailure() << actual.scalar_type() << " " << actual.sizes() << " instead of "
                              << expected.scalar_type() << " " << expected.sizes();
  }
  const at::Tensor a = actual.detach().contiguous();
  const at::Tensor b = expected.detach().contiguous();
  if (a.nbytes() > 0 && std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) != 0) {
    return AssertionFailure() << "other values, e.g. " << a.flatten()[0].item() << " instead of "
                              << b.flatten()[0].item() << " in the beginning";
  }
  return AssertionSuccess();
}

AssertionResult same_bits(const NamedTensors& actual, const NamedTensors& expected) {
  if (actual.keys() != expected.keys()) return AssertionFailure() << "other names";
  for (const auto& entry : expected) {
    const AssertionResult same = same_bits(actual[entry.key()], entry.value());
    if (!same) return AssertionFailure() << entry.key() << ": " << same.message();
  }
  return AssertionSuccess();
}

void expect_graph_is_retained(const at::Tensor& loss, const std::vector<at::Tensor>& inputs) {
  const auto gradients = [&](bool retain) {
    return torch::autograd::grad({loss}, inputs, /*grad_outputs=*/{}, retain);
  };
  const auto first = gradients(true);
  std::vector<at::Tensor> kept;
  for (const at::Tensor& gradient : first) {
    kept.push_back(gradient.clone());
    gradient.mul_(2);  // its owner's to change
  }
  const auto second = gradients(false);
  for (size_t i = 0; i < inputs.size(); ++i) EXPECT_TRUE(same_bits(second[i], kept[i]));
  try {
    gradients(false);
    ADD_FAILURE() << "the graph was freed";
  } catch (const c10::Error& error) {
    EXPECT_NE(error.msg().find("backward through the graph a second time"), std::string::npos) << error.msg();
  }
}

void expect_double_backward_is_refused(
    const at::Tensor& loss, const std::vector<at::Tensor>& inputs, const std::string& error) {
  const at::Tensor weight = at::ones_like(loss).requires_grad_();
  const auto gradients =
      torch::autograd::grad({weight * loss}, inputs, /*grad_outputs=*/{}, /*retain_graph=*/true, /*create_graph=*/true);
  std::vector<at::Tensor> others = inputs;
  others.push_back(weight);
  for (const at::Tensor& gradient : gradients) {
    for (const at::Tensor& other : others) {
      EXPECT_EQ(error_of([&] { torch::autograd::grad({gradient.sum()}, {other}, {}, /*retain_graph=*/true); }), error);
    }
  }
}

NamedTensors copy_of(const NamedTensors& tensors) {
  NamedTensors copies;
  for (const auto& entry : tensors) copies.insert(entry.key(), entry.value().detach().clone());
  return copies;
}

at::Tensor random_state() {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

}  // namespace retort::test
