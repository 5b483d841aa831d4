#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "expect.h"
#include "name_of_loss.h"
#include "pair_loss.h"
#include "seeded_test.h"

/// What is asked of every loss of one tensor of each network, whose tests instantiate PairLossTest with it.
namespace retort::test {

struct PairLossCase {
  std::string name;
  /// As error messages call it.
  std::string function;
  /// Of student and teacher, as error messages have it.
  std::string shape;
  /// In what teacher and student must agree, as error messages have it.
  std::string agreement = "shape";
  PairLoss loss;
  /// Its specification.
  PairLoss reference;
  /// Random input of a dtype: little, and enough for several threads.
  std::function<Pair(at::ScalarType dtype)> little, much;
};

inline void PrintTo(const PairLossCase& tested, std::ostream* out) {
  *out << tested.name;
}

class PairLossTest : public SeededTest, public ::testing::WithParamInterface<PairLossCase> {
 protected:
  static Pair pair(at::ScalarType dtype = at::kDouble) { return GetParam().little(dtype); }
  static const PairLoss& loss() { return GetParam().loss; }
  static const PairLoss& reference() { return GetParam().reference; }
  static DifferentiatedPair expected_of(const Pair& pair) { return differentiate(reference(), in_float64(pair)); }

  static std::string message(const std::string& text) { return GetParam().function + ": " + text; }
  /// What the loss says to input that was good before the change.
  static std::string error_after(const std::function<void(Pair&)>& change) {
    Pair changed = pair();
    change(changed);
    return error_of([&] { loss()(changed); });
  }
};

}  // namespace retort::test
