#include "reference/nst.h"

#include <ATen/Functions.h>
#include <retort/losses/nst.h>

#include <algorithm>

#include "device.h"
#include "loss_case.h"
#include "losses.h"
#include "nst_kernels.h"

namespace retort::benchmarks {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

constexpr at::MemoryFormat kContiguous = at::MemoryFormat::Contiguous;
constexpr at::MemoryFormat kChannelsLast = at::MemoryFormat::ChannelsLast;

/// Operations for one sample of one layer, through the matrix of channels or that of positions, of which the symmetric
/// ones are computed by half.
double flops_of(NstKernel kernel, double channels, double positions) {
  const double by_channels = positions * (4 * channels * channels) + 4 * positions * channels * channels;
  const double by_positions = positions * positions * (2 * channels) + 2 * positions * positions * channels;
  switch (kernel) {
    case NstKernel::kLinear:
      return 0;
    case NstKernel::kPolynomial:
      return std::min(by_channels, by_positions);
    default:
      return by_channels;
  }
}

LossCase nst(
    NstKernel kernel, int64_t batch, const Shapes& shapes, at::MemoryFormat format, bool naive_fits = true,
    at::ScalarType dtype = at::kFloat) {
  const std::vector<at::Tensor> student = random_maps(batch, shapes, true, format, dtype);
  const std::vector<at::Tensor> teacher = random_maps(batch, shapes, false, format, dtype);
  LossCase result;
  for (const std::vector<int64_t>& shape : shapes) {
    result.flops += static_cast<double>(batch) *
                    flops_of(kernel, static_cast<double>(shape[0]), static_cast<double>(shape[1] * shape[2]));
  }
  // Both networks' maps are read, a gradient is written.
  result.footprint = 3 * bytes_of(student);
  result.bytes = static_cast<double>(result.footprint);
  result.ours = [=] { return differentiate(at::stack(nst_loss(student, teacher, kernel)).sum(), student); };
  result.naive = [=, student = widened(student), teacher = widened(teacher)] {
    return differentiate(at::stack(reference::nst_loss(student, teacher, kernel)).sum(), student);
  };
  result.tolerance = tolerance_of(dtype);
  result.naive_fits = naive_fits;
  return result;
}

}  // namespace

void add_nst() {
  Shapes shapes = cifar_shapes();
  shapes.erase(shapes.begin());
  for (NstKernel kernel : test::kNstKernels) {
    const std::string name = "nst " + test::name_of(kernel);
    for (int64_t batch : {8, 64, 256}) {
      add_loss(name + "/batch " + std::to_string(batch), [=] {
        return nst(kernel, batch, shapes, kContiguous, batch <= 64);
      });
    }
    add_loss(name + ", channels last/batch 64", [=] { return nst(kernel, 64, shapes, kChannelsLast); });
    if (kernel == NstKernel::kLinear) {  // the others are bound by products, not by memory
      for (const auto& [dtype_name, dtype] : half_dtypes()) {
        const std::string half = ", " + dtype_name + "/batch 64";
        add_loss(name + half, [=, d = dtype] { return nst(kernel, 64, shapes, kContiguous, true, d); });
        add_loss(name + ", channels last" + half, [=, d = dtype] {
          return nst(kernel, 64, shapes, kChannelsLast, true, d);
        });
      }
    }
    add_loss(name + "/ResNet-50, batch 16", [=] { return nst(kernel, 16, imagenet_shapes(), kContiguous, false); });
    if (!is_on_gpu()) continue;
    const std::string large = "/ResNet-50, batch 256";
    add_loss(name + large, [=] { return nst(kernel, 256, imagenet_shapes(), kContiguous); });
    add_loss(name + ", channels last" + large, [=] { return nst(kernel, 256, imagenet_shapes(), kChannelsLast); });
  }
}

}  // namespace retort::benchmarks
