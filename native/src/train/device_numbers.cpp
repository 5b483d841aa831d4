#include "train/device_numbers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

namespace retort {
namespace {

/// Memory of the CPU that a device reads and writes by itself while the CPU goes on.
at::Tensor locked_memory(c10::Device device, int64_t count) {
  return at::empty({count}, at::TensorOptions(at::kDouble).pinned_memory(!device.is_cpu()));
}

c10::Stream current_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

void record(std::optional<c10::Event>& event, c10::Device device) {
  if (!event) event.emplace(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  event->record(current_stream(device));
}

}  // namespace

SentNumbers::SentNumbers(c10::Device device, int64_t count) {
  const c10::InferenceMode no_inference(false);
  locked_ = locked_memory(device, count);
  on_device_ = at::zeros({count}, at::TensorOptions(at::kDouble).device(device));
}

void SentNumbers::send(const std::vector<double>& numbers) {
  TORCH_INTERNAL_ASSERT(static_cast<int64_t>(numbers.size()) <= locked_.numel());
  std::copy(numbers.begin(), numbers.end(), locked_.mutable_data_ptr<double>());
  on_device_.copy_(locked_, /*non_blocking=*/true);
}

void FetchedNumbers::begin() {
  watch_ = Stopwatch();
  if (!device_.is_cpu()) record(begin_, device_);
}

void FetchedNumbers::fetch(const at::Tensor& numbers) {
  if (!locked_.defined() || locked_.numel() != numbers.numel()) locked_ = locked_memory(device_, numbers.numel());
  locked_.copy_(numbers, /*non_blocking=*/true);
  if (device_.is_cpu()) {
    nanoseconds_ = watch_.nanoseconds();
  } else {
    record(end_, device_);
  }
}

const std::vector<double>& FetchedNumbers::wait() {
  if (!device_.is_cpu()) {
    end_->synchronize();
    nanoseconds_ = static_cast<int64_t>(1e6 * begin_->elapsedTime(*end_));
  }
  const double* number = locked_.const_data_ptr<double>();
  numbers_.assign(number, number + locked_.numel());
  return numbers_;
}

void StartOrder::enter() const {
  if (last_) last_->block(current_stream(device_));
}

void StartOrder::leave() {
  if (!device_.is_cpu()) record(last_, device_);
}

}  // namespace retort
