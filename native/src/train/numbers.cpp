#include "train/numbers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <numeric>

#include "tensor/finite.h"
#include "tensor/scalar.h"
#include "train/events.h"

namespace retort {
namespace {

/// Numbers in the CPU's memory, from where a device copies them by itself while the CPU goes on.
at::Tensor numbers_on_cpu(c10::Device device, int64_t count) {
  return at::empty({count}, at::TensorOptions(at::kDouble).pinned_memory(!device.is_cpu())).zero_();
}

/// The same numbers on the device.
at::Tensor numbers_on(c10::Device device, const at::Tensor& on_cpu) {
  return device.is_cpu() ? on_cpu : at::zeros(on_cpu.sizes(), at::TensorOptions(at::kDouble).device(device));
}

}  // namespace

GivenNumbers::GivenNumbers(c10::Device device, int64_t count) {
  const c10::InferenceMode no_inference(false);
  on_cpu_ = numbers_on_cpu(device, count);
  on_device_ = numbers_on(device, on_cpu_);
  scalars_.resize(static_cast<size_t>(count));
}

void GivenNumbers::send() {
  if (!on_device_.is_cpu()) on_device_.copy_(on_cpu_, /*non_blocking=*/true);
}

at::Tensor GivenNumbers::scalar(int64_t place, at::ScalarType dtype) {
  if (!on_device_.is_cpu()) return on_device_.select(0, place).to(dtype);
  auto& [value, scalar] = scalars_[static_cast<size_t>(place)];
  const double wanted = on_cpu_.const_data_ptr<double>()[place];
  if (!scalar.defined() || scalar.scalar_type() != dtype || value != wanted) {
    value = wanted;
    scalar = scalar_on_cpu(wanted, dtype);
  }
  return scalar;
}

FoundNumbers::FoundNumbers(c10::Device device, int64_t most) : device_(device) {
  const c10::InferenceMode no_inference(false);
  on_cpu_ = numbers_on_cpu(device, most + 2);
  memory_ = numbers_on(device, on_cpu_);
}

void FoundNumbers::begin(int64_t losses, int64_t parameters) {
  if (losses != losses_ || parameters != parameters_) {
    losses_ = losses;
    parameters_ = parameters;
    all_ = memory_.narrow(0, 0, losses + 1 + parameters + 1);
    of_losses_ = all_.narrow(0, 0, losses);
    norms_ = all_.narrow(0, losses + 1, parameters);
    correct_ = all_.select(0, losses + 1 + parameters);
  }
  if (!device_.is_cpu()) record(started_, device_);
}

void FoundNumbers::put_loss(int64_t place, const at::Tensor& loss) {
  put(place, loss);
}

void FoundNumbers::put_no_loss(int64_t place) {
  put(place, 0.0);
}

void FoundNumbers::put_total(const at::Tensor& weights, int64_t first) {
  if (!device_.is_cpu()) return put(losses_, (of_losses_ * weights.narrow(0, first, losses_)).sum());
  const double* loss = all_.const_data_ptr<double>();
  const double* weight = weights.const_data_ptr<double>() + first;
  put(losses_, std::inner_product(loss, loss + losses_, weight, 0.0));
}

at::Tensor FoundNumbers::any_not_finite() const {
  return retort::any_not_finite(all_);
}

void FoundNumbers::put(int64_t place, const at::Tensor& number) {
  if (device_.is_cpu()) {
    put(place, value_of(number));
  } else {
    all_.select(0, place).copy_(number.detach());
  }
}

void FoundNumbers::put(int64_t place, double number) {
  if (device_.is_cpu()) {
    all_.mutable_data_ptr<double>()[place] = number;
  } else {
    all_.select(0, place).fill_(number);
  }
}

void FoundNumbers::fetch() {
  if (device_.is_cpu()) return;
  on_cpu_.narrow(0, 0, all_.numel()).copy_(all_, /*non_blocking=*/true);
  record(ended_, device_);
}

void FoundNumbers::wait() {
  if (!device_.is_cpu()) {
    ended_->synchronize();
    nanoseconds_ = static_cast<int64_t>(1e6 * started_->elapsedTime(*ended_));
  }
  begin_ = on_cpu_.const_data_ptr<double>();
}

}  // namespace retort
