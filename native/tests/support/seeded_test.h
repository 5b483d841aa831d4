#pragma once

#include <gtest/gtest.h>
#include <retort/runtime.h>

namespace retort::test {

/// Every test draws the same random numbers and computes on one thread, whatever ran before it and on any machine.
class SeededTest : public ::testing::Test {
 protected:
  void SetUp() override {
    manual_seed(20);
    set_threads(1);
  }
};

}  // namespace retort::test
