#include "golden.h"

#include <algorithm>

namespace retort {
namespace {

/// The golden cases that no other test takes up, since the library does not have their loss yet. They are skipped, and
/// show by name.
std::vector<std::string> cases_of_missing_losses() {
  std::vector<std::string> cases = test::golden_cases("");
  const auto has_test = [](const std::string& name) {
    return name.rfind("step_", 0) == 0 || test::missing_loss(name).empty();
  };
  cases.erase(std::remove_if(cases.begin(), cases.end(), has_test), cases.end());
  return cases;
}

class MissingLossGoldenTest : public test::GoldenTest {};

TEST_P(MissingLossGoldenTest, MatchesGolden) {
  FAIL() << GetParam() << ": a loss that is built must have its own test";
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MissingLossGoldenTest);
INSTANTIATE_TEST_SUITE_P(
    Missing, MissingLossGoldenTest, ::testing::ValuesIn(cases_of_missing_losses()), test::name_of_case);

}  // namespace
}  // namespace retort
