#pragma once

#include <ATen/core/Generator.h>
#include <retort/losses/criterion.h>
#include <retort/models/network.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "models/network_snapshot.h"
#include "models/network_state.h"
#include "train/random_state.h"
#include "train/transaction.h"

namespace retort {

/// A network that a step runs: its buffers and attributes. Whoever holds its mutex may save it.
class NetworkParticipant final : public Participant {
 public:
  explicit NetworkParticipant(Network& network) : state_(NetworkState::of(network)), snapshot_(state_.new_snapshot()) {}

  /// @throws c10::ValueError if the result of another step on it is pending
  void save() override {
    state_.check_nothing_pending();
    snapshot_->take();
    revision_ = state_.note_change();
  }

  /// Not if somebody else has changed it since, as may be with a teacher that several steps share.
  void roll_back() override {
    if (state_.revision() == revision_) snapshot_->restore();
  }

 private:
  NetworkState& state_;
  std::unique_ptr<NetworkSnapshot> snapshot_;
  int64_t revision_ = 0;
};

/// A criterion's buffers.
class CriterionParticipant final : public Participant {
 public:
  explicit CriterionParticipant(std::shared_ptr<Criterion> criterion) : criterion_(std::move(criterion)) {}

  void save() override { criterion_->snapshot(); }
  void roll_back() override { criterion_->restore(); }

 private:
  std::shared_ptr<Criterion> criterion_;
};

/// The numbers that a step draws.
class RandomParticipant final : public Participant {
 public:
  explicit RandomParticipant(at::Generator generator) : generator_(std::move(generator)) {}

  void save() override { state_.save(generator_); }
  void roll_back() override { state_.restore(generator_); }

 private:
  at::Generator generator_;
  RandomState state_;
};

/// Something that saves itself, and is told only when to roll back.
class RollBackParticipant final : public Participant {
 public:
  explicit RollBackParticipant(std::function<void()> roll_back) : roll_back_(std::move(roll_back)) {}

  void save() override {}
  void roll_back() override { roll_back_(); }

 private:
  std::function<void()> roll_back_;
};

}  // namespace retort
