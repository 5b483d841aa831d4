#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace retort::benchmarks {

/// A loss and its gradients.
using Outcome = std::vector<at::Tensor>;

/// One loss at one size: what is compared with what, forward and backward.
struct LossCase {
  /// The operations that the formula needs, in products of matrices.
  double flops = 0;
  /// The bytes that it reads and writes, and in how much memory these lie.
  double bytes = 0;
  int64_t footprint = 0;
  /// The form of the published code, as the tests' specification has it; of inputs in half precision, in float32.
  std::function<Outcome()> naive;
  /// Whether that fits into the memory of a small machine. On a GPU it is tried.
  bool naive_fits = true;
  std::function<Outcome()> ours;
  /// How far they may differ, relative to the largest magnitude.
  double tolerance = 2e-4;
};

/// Adds benchmarks of both forms. `prepare` makes the inputs, when the benchmark runs, and only then.
void add_loss(const std::string& name, const std::function<LossCase()>& prepare);

/// From now on, results are not compared with the naive form, which takes most of the time.
void skip_checks();

/// The bytes of all maps together.
int64_t bytes_of(const std::vector<at::Tensor>& maps);

/// The loss and its gradients to `inputs`.
Outcome differentiate(const at::Tensor& loss, const std::vector<at::Tensor>& inputs);

/// Shapes [channels, height, width] of the maps of ResNet-32x4 and ResNet-8x4 on CIFAR: stem and three stages.
std::vector<std::vector<int64_t>> cifar_shapes();
/// The four stages of ResNet-50 on ImageNet.
std::vector<std::vector<int64_t>> imagenet_shapes();
/// On the device that is measured.
std::vector<at::Tensor> random_maps(
    int64_t batch, const std::vector<std::vector<int64_t>>& shapes, bool with_gradient,
    at::MemoryFormat format = at::MemoryFormat::Contiguous, at::ScalarType dtype = at::kFloat);

/// The dtypes of inputs that are measured beside float32, and what a case's name says of them.
std::vector<std::pair<std::string, at::ScalarType>> half_dtypes();
/// Inputs in float32, with gradients where they have some; those that are so already, as they are.
std::vector<at::Tensor> widened(const std::vector<at::Tensor>& inputs);
/// How far a loss of inputs of that dtype may differ from that of them in float32.
double tolerance_of(at::ScalarType dtype);

}  // namespace retort::benchmarks
