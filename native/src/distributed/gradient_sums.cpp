#include "distributed/gradient_sums.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>
#include <numeric>
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
  // Backward passes reach the last layers first.
  std::vector<int64_t> order(parameters_.size());
  std::iota(order.rbegin(), order.rend(), 0);
  Layout layout = laid_out(order);
  buckets_ = std::move(layout.buckets);
  slots_ = std::move(layout.slots);
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

GradientSums::Layout GradientSums::laid_out(const std::vector<int64_t>& order) const {
  Layout layout;
  layout.slots.resize(parameters_.size());
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
      layout.slots[member] = {
          layout.buckets.size(), view_like(parameter, bucket.memory.narrow(0, place, parameter.numel())), false};
      place += parameter.numel();
    }
    bucket.members = std::move(members);
    members.clear();
    layout.buckets.push_back(std::move(bucket));
  };
  std::map<at::ScalarType, int64_t> bytes;
  for (int64_t parameter : order) {
    const at::Tensor& tensor = parameters_[static_cast<size_t>(parameter)];
    const at::ScalarType dtype = summed_in(tensor);
    open[dtype].push_back(static_cast<size_t>(parameter));
    bytes[dtype] += tensor.numel() * static_cast<int64_t>(c10::elementSize(dtype));
    if (bytes[dtype] < bucket_bytes_) continue;
    close(dtype);
    bytes[dtype] = 0;
  }
  for (const auto& [dtype, members] : open) close(dtype);
  return layout;
}

void GradientSums::begin() {
  next_ = 0;
  arrived_.clear();
  for (Bucket& bucket : buckets_) bucket.missing = bucket.members.size();
  for (Slot& slot : slots_) slot.is_filled = false;
  hooks_->active = this;
}

void GradientSums::commit() noexcept {
  if (!ordered_) return;
  // The sums that were handed out keep the old buckets.
  buckets_.swap(ordered_->buckets);
  slots_.swap(ordered_->slots);
  ordered_.reset();
  has_order_ = true;
}

void GradientSums::stop() noexcept {
  hooks_->active = nullptr;
  ordered_.reset();
  for (Bucket& bucket : buckets_) bucket.exchange.reset();
}

void GradientSums::fill(size_t parameter, const at::Tensor& gradient) {
  const at::NoGradGuard no_gradients;
  Slot& slot = slots_[parameter];
  if (std::exchange(slot.is_filled, true)) return;
  arrived_.push_back(static_cast<int64_t>(parameter));
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
  if (!has_order_) ordered_ = in_order_of_first();
  return sums;
}

GradientSums::Layout GradientSums::in_order_of_first() const {
  const auto count = static_cast<int64_t>(parameters_.size());
  std::vector<bool> has_arrived(parameters_.size());
  for (int64_t parameter : arrived_) has_arrived[static_cast<size_t>(parameter)] = true;
  // Those without a gradient would hold back all others.
  std::vector<int64_t> own = arrived_;
  for (int64_t i = 0; i < count; ++i) {
    if (!has_arrived[static_cast<size_t>(i)]) own.push_back(i);
  }
  at::Tensor order = at::tensor(own, at::kLong).to(parameters_.front().device());
  group_.send_of_first(order);
  order = order.cpu();
  return laid_out({order.const_data_ptr<int64_t>(), order.const_data_ptr<int64_t>() + count});
}

}  // namespace retort
