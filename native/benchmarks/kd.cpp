#include "reference/kd.h"

#include <ATen/Functions.h>
#include <retort/losses/kd.h>

#include "loss_case.h"
#include "losses.h"

namespace retort::benchmarks {
namespace {

LossCase kd(int64_t batch, int64_t classes) {
  const at::Tensor student = at::randn({batch, classes}).requires_grad_();
  const at::Tensor teacher = at::randn({batch, classes});
  LossCase result;
  result.footprint = 3 * bytes_of({student});
  result.bytes = static_cast<double>(result.footprint);
  result.ours = [=] { return differentiate(kd_loss(student, teacher, 4.0), {student}); };
  result.naive = [=] { return differentiate(reference::kd_loss(student, teacher, 4.0), {student}); };
  return result;
}

}  // namespace

void add_kd() {
  for (int64_t classes : {100, 1000}) {
    add_loss("kd/batch 64, " + std::to_string(classes) + " classes", [=] { return kd(64, classes); });
  }
}

}  // namespace retort::benchmarks
