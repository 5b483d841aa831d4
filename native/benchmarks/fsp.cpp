#include "reference/fsp.h"

#include <ATen/Functions.h>
#include <retort/losses/fsp.h>

#include "device.h"
#include "loss_case.h"
#include "losses.h"

namespace retort::benchmarks {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

constexpr at::MemoryFormat kContiguous = at::MemoryFormat::Contiguous;
constexpr at::MemoryFormat kChannelsLast = at::MemoryFormat::ChannelsLast;

LossCase fsp(int64_t batch, const Shapes& shapes, at::MemoryFormat format, bool naive_fits = true) {
  const std::vector<at::Tensor> student = random_maps(batch, shapes, true, format);
  const std::vector<at::Tensor> teacher = random_maps(batch, shapes, false, format);
  LossCase result;
  for (size_t i = 0; i + 1 < shapes.size(); ++i) {
    // Both networks' matrices, and a gradient to each of the student's maps.
    const double positions = static_cast<double>(shapes[i + 1][1] * shapes[i + 1][2]);
    result.flops += 8.0 * static_cast<double>(batch * shapes[i][0] * shapes[i + 1][0]) * positions;
  }
  // Both networks' maps are read, a gradient is written.
  result.footprint = 3 * bytes_of(student);
  result.bytes = static_cast<double>(result.footprint);
  const std::shared_ptr<Criterion> criterion = FspOptions().build({shapes, shapes});
  result.ours = [=] {
    CriterionInput input;
    input.student = student;
    input.teacher = teacher;
    return differentiate(criterion->forward(input), student);
  };
  result.naive = [=] { return differentiate(at::stack(reference::fsp_loss(student, teacher)).sum(), student); };
  result.naive_fits = naive_fits;
  return result;
}

}  // namespace

void add_fsp() {
  for (int64_t batch : {8, 64, 256}) {
    add_loss(
        "fsp/batch " + std::to_string(batch), [=] { return fsp(batch, cifar_shapes(), kContiguous, batch <= 64); });
  }
  add_loss("fsp, channels last/batch 64", [] { return fsp(64, cifar_shapes(), kChannelsLast); });
  add_loss("fsp/ResNet-50, batch 16", [] { return fsp(16, imagenet_shapes(), kContiguous, false); });
  if (!is_on_gpu()) return;
  add_loss("fsp/ResNet-50, batch 256", [] { return fsp(256, imagenet_shapes(), kContiguous); });
  add_loss("fsp, channels last/ResNet-50, batch 256", [] { return fsp(256, imagenet_shapes(), kChannelsLast); });
}

}  // namespace retort::benchmarks
