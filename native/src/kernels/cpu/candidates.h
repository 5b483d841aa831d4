#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/cpu/per_sample.h"
#include "runtime/recycler.h"
#include "runtime/threads.h"

namespace retort::kernels {

/// The candidates of a batch, so that the threads can go through the memory range by range: a row that is needed often
/// is then fetched into the cache only once. In a small batch, they share each anchor's candidates.
class Candidates {
 public:
  Candidates(const at::Tensor& contrast, const at::Tensor& memory)
      : contrast_(contrast.contiguous()), batch_(contrast.size(0)), count_(contrast.size(1)) {
    const int64_t row_bytes = memory.size(1) * static_cast<int64_t>(memory.element_size());
    while ((row_bytes << (range_bits_ + 1)) <= kRangeBytes) ++range_bits_;
    const int64_t rows = memory.size(0);
    const int64_t ranges = ((rows - 1) >> range_bits_) + 1;
    if (ranges < 4 || batch_ * count_ < kReuse * rows || count_ < kFewestInRange * ranges) {
      shares_ = std::clamp<int64_t>(count_ / kFewestInShare, 1, parts_of_sample(batch_));
    } else {
      ranges_ = ranges;
      sort();
    }
  }

  int64_t batch() const { return batch_; }
  int64_t count() const { return count_; }
  int64_t ranges() const { return ranges_; }
  /// Into how many each anchor's candidates are divided; 1 if there are several ranges.
  int64_t shares() const { return shares_; }

  /// Some of an anchor's candidates.
  struct Part {
    const int64_t* rows;
    int64_t count;
    /// Whether the first of them is the positive.
    bool has_positive;
  };

  /// An anchor's candidates in one share and one range.
  Part part(int64_t anchor, int64_t share, int64_t range) const {
    const int64_t* rows = contrast_.const_data_ptr<int64_t>() + anchor * count_;
    if (ranges_ == 1) {
      const int64_t begin = count_ * share / shares_;
      return {rows + begin, count_ * (share + 1) / shares_ - begin, share == 0};
    }
    const int64_t* ends = ends_.data() + anchor * ranges_;
    const int64_t begin = range == 0 ? 0 : ends[range - 1];
    return {rows + begin, ends[range] - begin, range == 0};
  }

 private:
  /// Bytes of a memory that stay in a core's second-level cache while all anchors are compared with them.
  static constexpr int64_t kRangeBytes = int64_t{1} << 19;
  /// How often a row must be needed in a batch, on average, for it to be worth while to sort the candidates.
  static constexpr int64_t kReuse = 8;
  /// Candidates of an anchor in a range, on average, below which vectors are not filled.
  static constexpr int64_t kFewestInRange = 64;
  /// Candidates of a share, below which another thread isn't worth waiting for.
  static constexpr int64_t kFewestInShare = 256;

  /// Sorts each anchor's negatives by range, in their order within a range.
  void sort() {
    const at::Tensor sorted = recycled_like(contrast_);
    const int64_t* from = contrast_.const_data_ptr<int64_t>();
    int64_t* to = sorted.mutable_data_ptr<int64_t>();
    ends_.resize(static_cast<size_t>(batch_ * ranges_));
    parallel_for(0, batch_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t* rows = from + b * count_;
        int64_t* next = ends_.data() + b * ranges_;
        for (int64_t k = 1; k < count_; ++k) ++next[rows[k] >> range_bits_];
        int64_t first = 1;
        for (int64_t range = 0; range < ranges_; ++range) first += std::exchange(next[range], first);
        to[b * count_] = rows[0];
        for (int64_t k = 1; k < count_; ++k) to[b * count_ + next[rows[k] >> range_bits_]++] = rows[k];
      }
    });
    contrast_ = sorted;
  }

  at::Tensor contrast_;
  int64_t batch_;
  int64_t count_;
  int64_t range_bits_ = 0;
  int64_t ranges_ = 1;
  int64_t shares_ = 1;
  /// Where each range ends among an anchor's candidates.
  std::vector<int64_t> ends_;
};

}  // namespace retort::kernels
