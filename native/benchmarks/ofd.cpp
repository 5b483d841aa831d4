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

LossCase ofd(int64_t batch, const Shapes& shapes, at::MemoryFormat format, at::ScalarType dtype = at::kFloat) {
  const std::vector<at::Tensor> students = random_maps(batch, shapes, true, format, dtype);
  const std::vector<at::Tensor> teachers = random_maps(batch, shapes, false, format, dtype);
  const auto with = [](const auto& student, const auto& teacher, auto loss, auto batch_margin) {
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
  result.bytes = 4.0 * static_cast<double>(bytes_of(students));
  result.footprint = 3 * bytes_of(students);
  result.ours = with(students, teachers, &ofd_loss, &ofd_batch_margin);
  result.naive = with(widened(students), widened(teachers), &reference::ofd_loss, &reference::ofd_batch_margin);
  result.tolerance = tolerance_of(dtype);
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
  for (const auto& [name, dtype] : half_dtypes()) {
    add_loss("ofd, " + name + "/batch 64", [=, d = dtype] { return ofd(64, shapes, kContiguous, d); });
    add_loss("ofd, channels last, " + name + "/batch 64", [=, d = dtype] { return ofd(64, shapes, kChannelsLast, d); });
  }
  add_loss("ofd/ResNet-50, batch 16", [] { return ofd(16, imagenet_shapes(), kContiguous); });
  if (!is_on_gpu()) return;
  add_loss("ofd/ResNet-50, batch 256", [] { return ofd(256, imagenet_shapes(), kContiguous); });
  add_loss("ofd, channels last/ResNet-50, batch 256", [] { return ofd(256, imagenet_shapes(), kChannelsLast); });
}

}  // namespace retort::benchmarks
