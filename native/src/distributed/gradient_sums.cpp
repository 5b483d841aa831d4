#include "distributed/gradient_sums.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>

#include <algorithm>
#include <map>
#include <utility>

namespace retort {
namespace {

/// Sums in half precision would lose more than the gradients themselves.
at::ScalarType summed_in(const at::Tensor& parameter) {
  return parameter.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// A part of a bucket with a parameter's shape and, unless there are gaps between its elements, its strides.
at::Tensor view_like(const at::Tensor& parameter, const at::Tensor& part) {
  return parameter.is_non_overlapping_and_dense() ? part.as_strided(parameter.sizes(), parameter.strides())
                                                  : part.view(parameter.sizes());
}

}  // namespace

struct GradientSums::Hooks {
  /// Null when nothing is to be sent.
  GradientSums* active = nullptr;
  /// A parameter, and the number of its hook.
  std::vector<std::pair<at::Tensor, unsigned>> registered;
};

GradientSums::GradientSums(Group& group, std::vector<at::Tensor> parameters, int64_t bucket_bytes)
    : group_(group),
      parameters_(std::move(parameters)),
      bucket_bytes_(bucket_bytes),
      hooks_(std::make_shared<Hooks>()) {
  lay_out();
  const at::AutoGradMode with_gradients(true);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const unsigned number = parameters_[i].register_hook([hooks = hooks_.get(), i](const at::Tensor& gradient) {
      if (!hooks->active || !gradient.defined()) return gradient;
      hooks->active->fill(i, gradient);
      const at::Tensor& view = hooks->active->slots_[i].view;
      // The gradient's own memory is then free.
      return view.scalar_type() == gradient.scalar_type() ? view : gradient;
    });
    hooks_->registered.emplace_back(parameters_[i], number);
  }
}

GradientSums::~GradientSums() {
  stop();
  for (const auto& [parameter, number] : hooks_->registered) parameter.remove_hook(number);
}

void GradientSums::lay_out() {
  slots_.resize(parameters_.size());
  std::map<at::ScalarType, std::vector<size_t>> open;
  const auto close = [&](at::ScalarType dtype) {
    std::vector<size_t>& members = open[dtype];
    if (members.empty()) return;
    int64_t elements = 0;
    for (size_t member : members) elements += parameters_[member].numel();
    Bucket bucket;
    bucket.memory = at::empty({elements}, parameters_[members.front()].options().dtype(dtype).requires_grad(false));
    int64_t place = 0;
    for (size_t member : members) {
      const at::Tensor& parameter = parameters_[member];
      slots_[member] = {
          buckets_.size(), view_like(parameter, bucket.memory.narrow(0, place, parameter.numel())), false};
      place += parameter.numel();
    }
    bucket.members = std::move(members);
    members.clear();
    buckets_.push_back(std::move(bucket));
  };
  std::map<at::ScalarType, int64_t> bytes;
  // Backward passes reach the last layers first.
  for (size_t parameter = parameters_.size(); parameter-- > 0;) {
    const at::Tensor& tensor = parameters_[parameter];
    const at::ScalarType dtype = summed_in(tensor);
    open[dtype].push_back(parameter);
    bytes[dtype] += tensor.numel() * static_cast<int64_t>(c10::elementSize(dtype));
    if (bytes[dtype] < bucket_bytes_) continue;
    close(dtype);
    bytes[dtype] = 0;
  }
  for (const auto& [dtype, members] : open) close(dtype);
}

void GradientSums::begin() {
  next_ = 0;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.members.size();
  for (Slot& slot : slots_) slot.is_filled = false;
  hooks_->active = this;
}

void GradientSums::stop() noexcept {
  hooks_->active = nullptr;
  for (Bucket& bucket : buckets_) bucket.exchange.reset();
}

void GradientSums::fill(size_t parameter, const at::Tensor& gradient) {
  const at::NoGradGuard no_gradients;
  Slot& slot = slots_[parameter];
  if (std::exchange(slot.is_filled, true)) return;
  slot.view.copy_(gradient);
  --buckets_[slot.bucket].missing;
  send_full();
}

void GradientSums::send_full() {
  while (next_ < buckets_.size() && buckets_[next_].missing == 0) {
    if (next_ > 0) {
      Group::Exchange& last = buckets_[next_ - 1].exchange;
      if (last && !last->isCompleted()) return;
      if (last) group_.wait(std::exchange(last, nullptr));
    }
    Bucket& bucket = buckets_[next_++];
    bucket.exchange = group_.begin_sum(bucket.memory);
  }
}

void GradientSums::send(const std::vector<at::Tensor>& gradients) {
  hooks_->active = nullptr;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].is_filled) continue;
    if (gradients[i].defined()) {
      slots_[i].view.copy_(gradients[i]);
    } else {
      slots_[i].view.zero_();
    }
    --buckets_[slots_[i].bucket].missing;
  }
  send_full();
}

std::vector<at::Tensor> GradientSums::wait() {
  for (Bucket& bucket : buckets_) {
    if (bucket.exchange) group_.wait(std::exchange(bucket.exchange, nullptr));
    send_full();
  }
  std::vector<at::Tensor> sums;
  sums.reserve(slots_.size());
  for (size_t i = 0; i < slots_.size(); ++i) sums.push_back(slots_[i].view.to(parameters_[i].scalar_type()));
  return sums;
}

}  // namespace retort
