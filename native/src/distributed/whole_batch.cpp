#include "distributed/ranks_batch.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace retort {

WholeBatch::~WholeBatch() = default;

void RanksBatch::begin(std::vector<int64_t> samples) {
  samples_ = std::move(samples);
}

int64_t RanksBatch::samples() const {
  return std::accumulate(samples_.begin(), samples_.end(), int64_t{0});
}

int64_t RanksBatch::first() const {
  return std::accumulate(samples_.begin(), samples_.begin() + group_.rank(), int64_t{0});
}

bool RanksBatch::is_first_rank() const {
  return group_.rank() == 0;
}

at::Tensor RanksBatch::sum(const at::Tensor& own) const {
  at::Tensor sum = own.detach().clone(at::MemoryFormat::Contiguous);
  group_.sum(sum);
  return sum;
}

at::Tensor RanksBatch::gather(const at::Tensor& own) const {
  const int64_t most = *std::max_element(samples_.begin(), samples_.end());
  at::Tensor padded = own.detach();
  if (own.size(0) < most) {
    std::vector<int64_t> shape = own.sizes().vec();
    shape[0] = most - own.size(0);
    padded = at::cat({padded, at::zeros(shape, own.options().requires_grad(false))});
  }
  const at::Tensor all = group_.gather(padded);
  std::vector<at::Tensor> parts;
  for (size_t rank = 0; rank < samples_.size(); ++rank) {
    parts.push_back(all.select(0, static_cast<int64_t>(rank)).narrow(0, 0, samples_[rank]));
  }
  return at::cat(parts);
}

at::Tensor RanksBatch::of_first(const at::Tensor& own) const {
  at::Tensor sent = own.detach().clone(at::MemoryFormat::Contiguous);
  group_.send_of_first(sent);
  return sent;
}

}  // namespace retort
