// The losses of logits.
#include <ATen/Functions.h>
#include <retort/losses/cross_entropy.h>
#include <retort/losses/dkd.h>
#include <retort/losses/kd.h>

#include <functional>
#include <string>

#include "device.h"
#include "loss_case.h"
#include "losses.h"
#include "reference/kd.h"

namespace retort::benchmarks {
namespace {

struct Logits {
  Logits(int64_t batch, int64_t classes)
      : student(at::randn({batch, classes}, device()).requires_grad_()),
        teacher(at::randn({batch, classes}, device())),
        labels(at::randint(classes, {batch}, at::TensorOptions(device()).dtype(at::kLong))) {}

  at::Tensor student;
  at::Tensor teacher;
  at::Tensor labels;
};

/// As in mdistiller's DKD.py.
at::Tensor published_dkd(const Logits& of, double alpha = 1, double beta = 8, double temperature = 4) {
  const at::Tensor target = at::zeros_like(of.student).scatter_(1, of.labels.unsqueeze(1), 1);
  const auto divergence = [&](const at::Tensor& log_student, const at::Tensor& teacher) {
    return at::kl_div(log_student, teacher, at::Reduction::Sum) * temperature * temperature / of.student.size(0);
  };
  const auto binary = [&](const at::Tensor& logits) {
    const at::Tensor p = at::softmax(logits / temperature, 1);
    return at::cat({(p * target).sum(1, true), (p * (1 - target)).sum(1, true)}, 1);
  };
  const auto others = [&](const at::Tensor& logits) { return logits / temperature - 1000 * target; };
  const at::Tensor by_target = divergence(binary(of.student).log(), binary(of.teacher));
  const at::Tensor by_others = divergence(at::log_softmax(others(of.student), 1), at::softmax(others(of.teacher), 1));
  return alpha * by_target + beta * by_others;
}

using Loss = std::function<at::Tensor(const Logits&)>;

void add(const std::string& loss, int64_t tensors, const Loss& ours, const Loss& naive) {
  const auto add_size = [&](int64_t batch, int64_t classes) {
    const std::string name = loss + "/batch " + std::to_string(batch) + ", " + std::to_string(classes) + " classes";
    add_loss(name, [=] {
      const Logits logits(batch, classes);
      LossCase result;
      result.footprint = tensors * bytes_of({logits.student});
      result.bytes = static_cast<double>(result.footprint);
      result.ours = [=] { return differentiate(ours(logits), {logits.student}); };
      result.naive = [=] { return differentiate(naive(logits), {logits.student}); };
      return result;
    });
  };
  add_size(64, 100);
  add_size(64, 1000);
  if (is_on_gpu()) add_size(4096, 32000);
}

}  // namespace

void add_losses_of_logits() {
  add(
      "cross-entropy", 2, [](const Logits& of) { return retort::cross_entropy_loss(of.student, of.labels); },
      [](const Logits& of) { return at::cross_entropy_loss(of.student, of.labels); });
  add(
      "kd", 3, [](const Logits& of) { return kd_loss(of.student, of.teacher, 4.0); },
      [](const Logits& of) { return reference::kd_loss(of.student, of.teacher, 4.0); });
  add(
      "dkd", 3, [](const Logits& of) { return dkd_loss(of.student, of.teacher, of.labels); },
      [](const Logits& of) { return published_dkd(of); });
}

}  // namespace retort::benchmarks
