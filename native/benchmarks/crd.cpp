#include "reference/crd.h"

#include <ATen/Functions.h>
#include <retort/losses/crd.h>

#include "device.h"
#include "loss_case.h"
#include "losses.h"

namespace retort::benchmarks {
namespace {

constexpr int64_t kNegatives = 16384;
constexpr int64_t kDimension = 128;
constexpr double kTemperature = 0.07;

at::Tensor unit_rows(int64_t rows) {
  const at::Tensor numbers = at::randn({rows, kDimension}, device());
  return numbers / numbers.norm(2, {1}, /*keepdim=*/true);
}

LossCase crd(int64_t batch, int64_t rows, at::ScalarType memory_dtype = at::kFloat) {
  const at::Tensor student = unit_rows(batch).requires_grad_();
  const at::Tensor teacher = unit_rows(batch).requires_grad_();
  const at::Tensor student_memory = unit_rows(rows).to(memory_dtype);
  const at::Tensor teacher_memory = unit_rows(rows).to(memory_dtype);
  const at::Tensor contrast =
      crd_contrast(at::arange(batch, at::TensorOptions(device()).dtype(at::kLong)), rows, kNegatives);
  const double z = crd_z(student.detach(), teacher_memory, contrast, kTemperature);
  const auto with = [=](const std::vector<at::Tensor>& memories, auto loss) {
    return [=] {
      return differentiate(
          loss(student, teacher, memories[0], memories[1], contrast, z, z, kTemperature), {student, teacher});
    };
  };
  LossCase result;
  result.bytes =
      2.0 * static_cast<double>(contrast.numel()) * kDimension * static_cast<double>(student_memory.element_size());
  // One side after the other.
  result.footprint = bytes_of({student_memory});
  const std::vector<at::Tensor> memories = {student_memory, teacher_memory};
  result.ours = with(memories, &crd_loss);
  result.naive = with(widened(memories), &reference::crd_loss);
  result.naive_fits = batch <= 64;
  return result;
}

}  // namespace

void add_crd() {
  for (int64_t batch : {1, 8, 64, 256}) {
    const std::string size = "/batch " + std::to_string(batch);
    add_loss("crd" + size, [=] { return crd(batch, 50000); });
    add_loss("crd, memories in bfloat16" + size, [=] { return crd(batch, 50000, at::kBFloat16); });
  }
  // The training set of ImageNet.
  if (is_on_gpu()) add_loss("crd/batch 256, 1.28 million rows", [] { return crd(256, 1281167); });
}

}  // namespace retort::benchmarks
