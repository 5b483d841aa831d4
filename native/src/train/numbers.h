#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace retort {

/// The numbers that a step is told on its device, of which each has its place: they stay there as long as the step
/// lives, so that a CUDA graph finds them.
class GivenNumbers {
 public:
  GivenNumbers(c10::Device device, int64_t count);

  /// Where to write them for the next step, on the CPU. What was sent before must have arrived.
  double* begin() { return on_cpu_.mutable_data_ptr<double>(); }
  /// Sends them, without waiting.
  void send();

  /// A scalar [] on the device, for this step.
  at::Tensor scalar(int64_t place, at::ScalarType dtype);
  /// float64 [count]
  const at::Tensor& all() const { return on_device_; }

 private:
  at::Tensor on_cpu_;
  /// The same memory if the device is the CPU.
  at::Tensor on_device_;
  /// On the CPU, what scalar() returned for a number, and returns again.
  std::vector<std::pair<double, at::Tensor>> scalars_;
};

/// The numbers that a step computes: float64 [losses + 1 + parameters + 1] on its device, in the order of the methods.
class FoundNumbers {
 public:
  /// @param most losses and parameters that any stage has
  FoundNumbers(c10::Device device, int64_t most);

  /// Begins a step with these numbers of losses and parameters; notes when the device begins with it.
  void begin(int64_t losses, int64_t parameters);

  // On the device, without waiting:
  /// @param loss a scalar []
  void put_loss(int64_t place, const at::Tensor& loss);
  /// For a loss that there is not in this step.
  void put_no_loss(int64_t place);
  /// Of the losses times their weights, which are float64 on the device, from a place on.
  void put_total(const at::Tensor& weights, int64_t first);
  /// Where the losses are, float64 [losses].
  const at::Tensor& losses() const { return of_losses_; }
  /// Where the gradients' norms belong.
  const at::Tensor& norms() const { return norms_; }
  /// Where the number of correct samples belongs, float64 [].
  const at::Tensor& correct_samples() const { return correct_; }
  /// Whether any of them is not finite, bool [].
  at::Tensor any_not_finite() const;

  /// Asks for them as soon as the device has them.
  void fetch();
  /// Whether wait() would not wait.
  bool have_arrived() const { return device_.is_cpu() || ended_->query(); }
  /// Waits for what fetch() asked for.
  void wait();

  // On the CPU, after wait():
  double loss(int64_t place) const { return begin_[place]; }
  double total() const { return begin_[losses_]; }
  double norm(int64_t parameter) const { return begin_[losses_ + 1 + parameter]; }
  int64_t correct() const { return static_cast<int64_t>(begin_[losses_ + 1 + parameters_]); }
  /// From begin() to fetch() on a device other than the CPU.
  int64_t nanoseconds() const { return nanoseconds_; }

 private:
  void put(int64_t place, const at::Tensor& number);
  void put(int64_t place, double number);

  c10::Device device_;
  at::Tensor memory_;
  /// The same memory if the device is the CPU, else page-locked memory.
  at::Tensor on_cpu_;
  /// What of them this step uses.
  at::Tensor all_, of_losses_, norms_, correct_;
  const double* begin_ = nullptr;
  int64_t losses_ = 0;
  int64_t parameters_ = 0;
  std::optional<c10::Event> started_, ended_;
  int64_t nanoseconds_ = 0;
};

}  // namespace retort
