#include "golden.h"

#include <ATen/core/Dict.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace retort::test {

std::filesystem::path golden_dir() {
  const char* dir = std::getenv("RETORT_GOLDEN_DIR");
  return dir && *dir ? dir : RETORT_DEFAULT_GOLDEN_DIR;
}

std::vector<std::string> golden_cases(const std::string& prefix) {
  std::vector<std::string> cases;
  for (const auto& entry : std::filesystem::directory_iterator(golden_dir())) {
    const std::string name = entry.path().stem();
    if (entry.path().extension() == ".pt" && name.rfind(prefix, 0) == 0) cases.push_back(name);
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

Golden::Golden(const std::string& golden_case) {
  const std::filesystem::path path = golden_dir() / (golden_case + ".pt");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("no golden case at " + path.string());
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  for (const auto& entry : torch::jit::pickle_load(bytes).toGenericDict()) {
    tensors_.emplace(entry.key().toStringRef(), entry.value().toTensor());
  }
}

std::vector<at::Tensor> Golden::list(const std::string& name) const {
  std::vector<at::Tensor> list;
  while (has(name + std::to_string(list.size()))) list.push_back((*this)[name + std::to_string(list.size())]);
  return list;
}

std::string name_of_case(const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
}

}  // namespace retort::test
