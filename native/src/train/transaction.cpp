#include "train/transaction.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include <exception>

namespace retort {

void Transaction::join(Participant& participant) {
  // Room first, so that nothing can fail once it is saved.
  participants_.push_back(nullptr);
  participant.save();
  participants_.back() = &participant;
}

void Transaction::restart() {
  const c10::InferenceMode no_inference(false);
  for (auto one = participants_.rbegin(); one != participants_.rend(); ++one) (*one)->roll_back();
  for (Participant* one : participants_) one->save();
}

void Transaction::roll_back() noexcept {
  const c10::InferenceMode no_inference(false);
  for (auto one = participants_.rbegin(); one != participants_.rend(); ++one) {
    try {
      if (*one) (*one)->roll_back();
    } catch (const std::exception&) {
      // A device that is lost, of which the next call tells.
    }
  }
  participants_.clear();
}

}  // namespace retort
