#pragma once

#include <gtest/gtest.h>
#include <retort/runtime.h>

namespace retort::test {

/// Every test draws the same random numbers, whatever ran before it.
class SeededTest : public ::testing::Test {
 protected:
  void SetUp() override { manual_seed(20); }
};

}  // namespace retort::test
