#include "convolution/timed_choice.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>

#include "convolution/passes.h"
#include "runtime/stopwatch.h"

namespace retort {
namespace {

/// Batch, channels, filters, height, width, threads, whether maps are channels-last, and whether gradients are wanted.
using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int, bool, bool>;

Key key_of(const at::Tensor& input, const at::Tensor& weight, bool learns) {
  return {
      input.size(0),
      input.size(1),
      weight.size(0),
      input.size(2),
      input.size(3),
      at::get_num_threads(),
      input.is_contiguous(at::MemoryFormat::ChannelsLast),
      learns};
}

bool is_faster_now(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool learns) {
  constexpr int kTurns = 4;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  std::array<int64_t, 2> best = {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()};
  const at::Tensor gradient = learns ? at::ones_like(direct_conv3x3(input, weight, bias)) : at::Tensor();
  for (int turn = 0; turn < kTurns; ++turn) {
    for (const bool winograd : {false, true}) {
      const Stopwatch watch;
      winograd ? winograd_conv3x3(input, weight, bias) : direct_conv3x3(input, weight, bias);
      if (learns) {
        constexpr Wanted kAll = {true, true, true};
        winograd ? winograd_backward(gradient, input, weight, kAll) : direct_backward(gradient, input, weight, kAll);
      }
      // The first turn prepares what the others use again.
      if (turn > 0) best[winograd] = std::min(best[winograd], watch.nanoseconds());
    }
  }
  return best[true] < best[false];
}

}  // namespace

bool winograd_was_faster(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool learns) {
  static std::mutex mutex;
  static std::map<Key, bool> known;
  const Key key = key_of(input, weight, learns);
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (const auto found = known.find(key); found != known.end()) return found->second;
  }
  const bool answer = is_faster_now(input, weight, bias, learns);
  const std::lock_guard<std::mutex> lock(mutex);
  // The first answer counts, since another thread may have used it.
  return known.emplace(key, answer).first->second;
}

}  // namespace retort
