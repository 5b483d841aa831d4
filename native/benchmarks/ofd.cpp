#include "reference/ofd.h"

#include <ATen/Functions.h>
#include <retort/losses/ofd.h>

#include "device.h"
#include "loss_case.h"
#include "losses.h"

namespace retort::benchmarks {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

constexpr at::MemoryFormat kContiguous = at::MemoryFormat::Contiguous;
constexpr at::MemoryFormat kChannelsLast = at::MemoryFormat::ChannelsLast;

LossCase ofd(int64_t batch, const Shapes& shapes, at::MemoryFormat format) {
  const std::vector<at::Tensor> student = random_maps(batch, shapes, true, format);
  const std::vector<at::Tensor> teacher = random_maps(batch, shapes, false, format);
  const auto with = [=](auto loss, auto batch_margin) {
    return [=] {
      std::vector<at::Tensor> losses;
      for (size_t i = 0; i < student.size(); ++i) {
        losses.push_back(loss(student[i], teacher[i], batch_margin(teacher[i]), OfdReduction::kMean));
      }
      return differentiate(at::stack(losses).sum(), student);
    };
  };
  LossCase result;
  // The teacher's map twice, since its margin comes first.
  result.bytes = 4.0 * static_cast<double>(bytes_of(student));
  result.footprint = 3 * bytes_of(student);
  result.ours = with(&ofd_loss, &ofd_batch_margin);
  result.naive = with(&reference::ofd_loss, &reference::ofd_batch_margin);
  return result;
}

}  // namespace

void add_ofd() {
  Shapes shapes = cifar_shapes();
  shapes.erase(shapes.begin());
  for (int64_t batch : {8, 64, 256}) {
    add_loss("ofd/batch " + std::to_string(batch), [=] { return ofd(batch, shapes, kContiguous); });
  }
  add_loss("ofd, channels last/batch 64", [=] { return ofd(64, shapes, kChannelsLast); });
  add_loss("ofd/ResNet-50, batch 16", [] { return ofd(16, imagenet_shapes(), kContiguous); });
  if (!is_on_gpu()) return;
  add_loss("ofd/ResNet-50, batch 256", [] { return ofd(256, imagenet_shapes(), kContiguous); });
  add_loss("ofd, channels last/ResNet-50, batch 256", [] { return ofd(256, imagenet_shapes(), kChannelsLast); });
}

}  // namespace retort::benchmarks
