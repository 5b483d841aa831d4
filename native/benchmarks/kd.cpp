#include "reference/kd.h"

#include <ATen/Functions.h>
#include <retort/losses/kd.h>

#include "device.h"
#include "loss_case.h"
#include "losses.h"

namespace retort::benchmarks {
namespace {

LossCase kd(int64_t batch, int64_t classes) {
  const at::Tensor student = at::randn({batch, classes}, device()).requires_grad_();
  const at::Tensor teacher = at::randn({batch, classes}, device());
  LossCase result;
  result.footprint = 3 * bytes_of({student});
  result.bytes = static_cast<double>(result.footprint);
  result.ours = [=] { return differentiate(kd_loss(student, teacher, 4.0), {student}); };
  result.naive = [=] { return differentiate(reference::kd_loss(student, teacher, 4.0), {student}); };
  return result;
}

}  // namespace

void add_kd() {
  const auto add = [](int64_t batch, int64_t classes) {
    const std::string name = "kd/batch " + std::to_string(batch) + ", " + std::to_string(classes) + " classes";
    add_loss(name, [=] { return kd(batch, classes); });
  };
  add(64, 100);
  add(64, 1000);
  if (is_on_gpu()) add(4096, 32000);
}

}  // namespace retort::benchmarks
