#include "train/step_ranks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "distributed/ranks_impl.h"
#include "tensor/check.h"
#include "train/class_name.h"
#include "train/configuration.h"

namespace retort {
namespace {

/// A loss that is not divided.
constexpr double kSum = -1;

/// Places in what ranks tell each other before they do something. The divisors of losses follow.
enum Place : int64_t {
  kPartCall,
  kPartSteps,
  kPartStage,
  kPartAccumulated,
  kPartSamples,
  kPartLabeled,
  kPartChecksumHigh,
  kPartChecksumLow,
  kPartDivisors
};

/// What must be the same on all ranks.
constexpr std::array<std::pair<Place, const char*>, 6> kSame = {
    {{kPartCall, "call"},
     {kPartSteps, "steps"},
     {kPartStage, "stage"},
     {kPartAccumulated, "accumulated batches"},
     {kPartChecksumHigh, "parameters"},
     {kPartChecksumLow, "parameters"}}};

std::string shown(Place place, double value) {
  static constexpr std::array<const char*, 3> kCalls = {"run", "save", "load"};
  if (place == kPartCall) return kCalls[static_cast<size_t>(value)];
  if (place == kPartChecksumHigh || place == kPartChecksumLow) return "others";
  return std::to_string(static_cast<int64_t>(value));
}

/// @param parts float64 [ranks, places], on the CPU
void check_same(const at::Tensor& parts) {
  const double* first = parts.const_data_ptr<double>();
  for (int64_t rank = 1; rank < parts.size(0); ++rank) {
    const double* own = first + rank * parts.size(1);
    for (const auto& [place, name] : kSame) {
      RETORT_CHECK_AS(
          RankError, own[place] == first[place], kTrainingStep, ": ", name, " must be the same on all ranks (got ",
          shown(place, first[place]), " on rank 0 and ", shown(place, own[place]), " on rank ", rank, ")");
    }
  }
}

/// What other ranks are told about an error.
struct Failure {
  std::string reason;
  bool is_of_numbers = false;
  /// Whether they have told it themselves.
  bool is_of_ranks = false;
};

Failure failure_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const NonFiniteError& of_numbers) {
    return {message_of(of_numbers), /*is_of_numbers=*/true, false};
  } catch (const RankError& of_ranks) {
    return {message_of(of_ranks), false, /*is_of_ranks=*/true};
  } catch (const std::exception& other) {
    return {message_of(other), false, false};
  } catch (...) {
    return {"an unknown error", false, false};
  }
}

template <typename Error>
std::exception_ptr error_of(const std::string& message) {
  return std::make_exception_ptr(Error(message, nullptr));
}

}  // namespace

PlaceAmongRanks::PlaceAmongRanks(const std::shared_ptr<Ranks>& ranks) : ranks_(ranks) {
  if (ranks_) number_ = ranks_->impl()->steps++;
}

std::string PlaceAmongRanks::name() const {
  return c10::str("step ", number_);
}

void PlaceAmongRanks::refuse(const std::string& reason) const noexcept {
  if (!ranks_) return;
  try {
    ranks_->impl()->store.set_first(
        name() + "/refused", c10::str("Ranks: rank ", ranks_->rank(), " has failed: ", reason));
  } catch (const std::exception&) {
    // Then they find out by themselves.
  }
}

StepRanks::StepRanks(
    const PlaceAmongRanks& place, const TrainingStepOptions& options, const std::vector<std::string>& descriptions,
    const std::vector<BoundStage>& stages)
    : ranks_(place.ranks()),
      group_((agree_on(place, descriptions), ranks_->impl()), place.name()),
      most_losses_(most_losses(stages)),
      batch_(group_) {
  if (options.batch_norm == BatchNormOver::kAllRanks) {
    batch_norm_ = std::make_unique<Group>(group_, "batch norm");
  }
  for (const BoundStage& stage : stages) {
    sums_.push_back(std::make_unique<GradientSums>(group_, stage.optimizer->parameters(), options.bucket_bytes));
  }
}

void StepRanks::agree_on(const PlaceAmongRanks& place, const std::vector<std::string>& descriptions) const {
  Store& store = ranks_->impl()->store;
  const auto key_of = [&](size_t i) { return c10::str(place.name(), "/options/", i); };
  const auto refused = [&] { return store.find(place.name() + "/refused"); };
  const auto verdict_of = [&](int64_t rank) { return c10::str(place.name(), "/verdict/", rank); };
  std::string verdict;
  for (size_t i = 0; i < descriptions.size(); ++i) {
    if (ranks_->rank() == 0) store.set(key_of(i), descriptions[i]);
    store.wait_for({key_of(i)}, refused);
    const auto difference = find_difference(*store.find(key_of(i)), descriptions[i]);
    if (!difference) continue;
    verdict = c10::str(
        kTrainingStep, ": ", difference->option, " must be the same on all ranks (got ", difference->own,
        " on rank 0 and ", difference->other, " on rank ", ranks_->rank(), ")");
    break;
  }
  store.set(verdict_of(ranks_->rank()), verdict);
  std::vector<std::string> verdicts;
  for (int64_t rank = 0; rank < ranks_->size(); ++rank) verdicts.push_back(verdict_of(rank));
  store.wait_for(verdicts, refused);
  for (const std::string& one : verdicts) {
    const std::string text = *store.find(one);
    RETORT_CHECK_AS(RankError, text.empty(), text);
  }
}

void StepRanks::share(const torch::OrderedDict<std::string, at::Tensor>& tensors) {
  const at::NoGradGuard no_gradients;
  for (const auto& entry : tensors) {
    const at::Tensor& own = entry.value();
    if (own.numel() == 0) continue;
    const at::Tensor sent = own.to(ranks_->impl()->device).contiguous();
    group_.send_of_first(sent);
    if (!sent.is_same(own)) own.copy_(sent);
  }
}

void StepRanks::enter() noexcept {
  has_begun_ = false;
  has_met_ = false;
}

void StepRanks::meet(const Part& part) {
  waited_before_ = group_.waited_nanoseconds();
  at::Tensor own = at::zeros({kPartDivisors + most_losses_}, at::kDouble);
  auto* number = own.mutable_data_ptr<double>();
  number[kPartCall] = static_cast<double>(part.call);
  number[kPartSteps] = static_cast<double>(part.steps);
  number[kPartStage] = static_cast<double>(part.stage);
  number[kPartAccumulated] = static_cast<double>(part.accumulated);
  number[kPartSamples] = static_cast<double>(part.samples);
  number[kPartLabeled] = static_cast<double>(part.labeled);
  number[kPartChecksumHigh] = static_cast<double>(part.checksum >> 32);
  number[kPartChecksumLow] = static_cast<double>(part.checksum & 0xffffffff);
  for (size_t i = 0; i < part.divisors.size(); ++i) number[kPartDivisors + i] = part.divisors[i].value_or(kSum);
  own = own.to(ranks_->impl()->device);
  has_begun_ = true;
  group_.renew();
  if (batch_norm_) batch_norm_->renew();
  const at::Tensor parts = group_.gather(own).cpu();
  check_same(parts);

  const auto sums = parts.sum(0);
  const double* total = sums.const_data_ptr<double>();
  own_samples_ = part.samples;
  labeled_ = static_cast<int64_t>(total[kPartLabeled]);
  const at::Tensor samples = parts.select(1, kPartSamples).to(at::kLong).contiguous();
  batch_.begin({samples.const_data_ptr<int64_t>(), samples.const_data_ptr<int64_t>() + size()});
  shares_.clear();
  for (size_t i = 0; i < part.divisors.size(); ++i) {
    const at::Tensor divisors = parts.select(1, kPartDivisors + static_cast<int64_t>(i));
    const bool is_sum = divisors.eq(kSum).any().item<bool>();
    const double all = total[kPartDivisors + i];
    const double divisor = part.divisors[i].value_or(kSum);
    const double own_share = is_sum ? (divisor == kSum ? 1.0 : 0.0) : all > 0 ? divisor / all : 0.0;
    shares_.push_back({own_share, divisors.ne(0).any().item<bool>()});
  }
  has_met_ = true;
}

std::exception_ptr StepRanks::fail(const std::exception_ptr& error) noexcept {
  for (const auto& sums : sums_) sums->stop();
  try {
    const Failure own = failure_of(error);
    const Group::Cause cause = own.is_of_numbers ? Group::Cause::kNumbers : Group::Cause::kError;
    if (batch_norm_ && batch_norm_->is_gone()) {
      group_.note_gone(batch_norm_->reason());
    } else if (has_begun_) {
      group_.announce(own.reason, cause);
    } else {
      // Failed by the call before, the group would have been connected again.
      group_.is_connected() ? group_.announce(own.reason, cause) : group_.announce_next(own.reason, cause);
    }
    // First, since others may wait there before they come to the sums of gradients that are under way here.
    if (batch_norm_) batch_norm_->drop();
    group_.drop();
    // What fails by its numbers on one rank does so on all, which may skip it.
    const bool all_by_numbers = !group_.is_gone() && group_.cause() == Group::Cause::kNumbers;
    if (all_by_numbers && own.is_of_ranks) return error_of<NonFiniteError>(group_.reason());
    if (!all_by_numbers && own.is_of_numbers) return error_of<RankError>(group_.reason());
  } catch (const std::exception&) {
    // No memory is left even for the reason.
    group_.drop();
  }
  return error;
}

void StepRanks::begin(std::vector<at::Tensor> of_networks, std::vector<at::Tensor> of_criteria) {
  of_networks_.begin(std::move(of_networks));
  of_criteria_.begin(std::move(of_criteria));
}

Gradients StepRanks::agree(int64_t stage, const Gradients& gradients, FoundNumbers& found) {
  GradientSums& sums = *sums_[static_cast<size_t>(stage)];
  sums.send(gradients);
  // Losses, correct samples, which gradients there are, and what buffers have changed by.
  const auto losses = static_cast<int64_t>(shares_.size()), parameters = static_cast<int64_t>(gradients.size());
  at::Tensor known = at::empty({losses + parameters}, at::kDouble);
  auto* number = known.mutable_data_ptr<double>();
  for (const Share& share : shares_) *number++ = share.own;
  for (const at::Tensor& gradient : gradients) *number++ = gradient.defined() ? 1.0 : 0.0;
  known = known.to(found.losses().device());
  const at::Tensor of_losses = found.losses() * known.narrow(0, 0, losses);
  at::Tensor numbers = at::cat(
      {of_losses, found.correct_samples().reshape({1}), known.narrow(0, losses, parameters),
       of_networks_.changes() * own_part()});
  Gradients summed = sums.wait();
  group_.sum(numbers);
  found.losses().copy_(numbers.narrow(0, 0, losses));
  found.correct_samples().copy_(numbers[losses]);
  of_networks_.apply(numbers.narrow(0, losses + 1 + parameters, of_networks_.count()));
  const at::Tensor defined = numbers.narrow(0, losses + 1, parameters).cpu();
  for (size_t i = 0; i < summed.size(); ++i) {
    if (!(defined.const_data_ptr<double>()[i] > 0)) summed[i] = at::Tensor();
  }
  return summed;
}

void StepRanks::agree_on_criteria() {
  if (of_criteria_.count() == 0) return;
  const at::Tensor changes = of_criteria_.changes() * own_part();
  group_.sum(changes);
  of_criteria_.apply(changes);
}

}  // namespace retort
