#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "seeded_test.h"

namespace retort::test {

/// The folder of the golden cases: the environment variable RETORT_GOLDEN_DIR, or else the repository's own.
std::filesystem::path golden_dir();

/// The names of the golden cases that begin with `prefix`, in alphabetical order.
std::vector<std::string> golden_cases(const std::string& prefix);

/// A golden case: tensors by name.
class Golden {
 public:
  explicit Golden(const std::string& golden_case);

  bool has(const std::string& key) const { return tensors_.count(key) > 0; }
  /// @throws std::out_of_range if there is no such key
  const at::Tensor& operator[](const std::string& key) const { return tensors_.at(key); }
  double number(const std::string& key) const { return tensors_.at(key).item<double>(); }
  /// The tensors name0, name1, … as far as there are any.
  std::vector<at::Tensor> list(const std::string& name) const;
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }

 private:
  std::map<std::string, at::Tensor> tensors_;
};

/// A test of one golden case. Its one test is called MatchesGolden, which is how ctest finds it.
class GoldenTest : public SeededTest, public ::testing::WithParamInterface<std::string> {};

/// Names an instance of a GoldenTest after its case.
std::string name_of_case(const ::testing::TestParamInfo<std::string>& info);

}  // namespace retort::test
