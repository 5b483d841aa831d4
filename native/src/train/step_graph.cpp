#include "train/step_graph.h"

#include <ATen/ops/empty_like.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "tensor/check.h"

namespace retort {
namespace {

/// A batch of the same shapes on a device, not filled yet.
Batch places_for(const Batch& batch, c10::Device device) {
  const auto place = [device](const at::Tensor& part) {
    return part.defined() ? at::empty_like(part, part.options().device(device), at::MemoryFormat::Contiguous) : part;
  };
  return {place(batch.images), place(batch.labels), place(batch.indices), place(batch.contrast), place(batch.weights)};
}

/// What an error says in its first line.
std::string first_line(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  const std::string text = own ? own->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace

bool StepGraph::is_time_to_record(const Signature& signature) {
  like_last_ = signature == last_ ? like_last_ + 1 : 0;
  last_ = signature;
  return obstacle_.empty() && like_last_ >= kBatchesBefore;
}

bool StepGraph::has_moved() const {
  return std::any_of(places_.begin(), places_.end(), [](const auto& tensor_and_place) {
    return tensor_and_place.first.const_data_ptr() != tensor_and_place.second;
  });
}

void StepGraph::record(
    const Signature& signature, const Batch& batch, std::vector<at::Tensor> tensors,
    const std::function<void(const Batch&)>& work, const std::function<void()>& roll_back) {
  drop();
  for (at::Tensor& tensor : tensors) {
    const void* place = tensor.const_data_ptr();
    places_.emplace_back(std::move(tensor), place);
  }
  try {
    if (!stream_) stream_ = c10::impl::VirtualGuardImpl(device_.type()).getStreamFromGlobalPool(device_);
    batch_ = places_for(batch, device_);
    work_ = std::make_unique<CudaGraph>(*stream_, [&] { work(batch_); });
    roll_back_ = std::make_unique<CudaGraph>(*stream_, roll_back);
    recorded_ = signature;
  } catch (const std::exception& error) {
    give_up(first_line(error));
  }
}

void StepGraph::launch(Staging& staging, const Batch& batch) {
  staging.copy(batch, batch_);
  work_->launch();
}

void StepGraph::drop() {
  work_.reset();
  roll_back_.reset();
  batch_ = {};
  places_.clear();
  recorded_.clear();
  forget_batches();
}

void StepGraph::forget_batches() {
  last_.clear();
  like_last_ = 0;
}

void StepGraph::give_up(std::string obstacle) {
  drop();
  if (obstacle_.empty()) obstacle_ = std::move(obstacle);
}

void StepGraph::start_over() {
  drop();
  obstacle_ = lasting_obstacle_;
}

}  // namespace retort
