#include <algorithm>
#include <set>

#include "models/exported/program.h"
#include "tensor/check.h"

namespace retort::exported {
namespace {

std::string joined(const std::vector<std::string>& keys, size_t from) {
  std::string text;
  for (size_t i = from; i < keys.size(); ++i) text += (i == from ? "" : ".") + keys[i];
  return text;
}

}  // namespace

NetworkResults network_results(const Program& program) {
  const std::vector<ProgramResult>& results = program.results;
  const auto named = std::find_if(results.begin(), results.end(), [](const ProgramResult& result) {
    return result.keys == std::vector<std::string>{"logits"};
  });
  const auto logits = named == results.end() ? results.begin() : named;
  if (logits->keys.size() > 1) fail<FileError>("it must return the logits first, then features");
  NetworkResults found = {logits->value, {}};
  std::vector<const ProgramResult*> features;
  for (auto result = results.begin(); result != results.end(); ++result) {
    if (result != logits) features.push_back(&*result);
  }
  // (logits, features): what is the same for all features says nothing.
  std::set<std::string> containers;
  for (const ProgramResult* feature : features) containers.insert(feature->keys.front());
  const bool is_nested = containers.size() == 1 && std::all_of(features.begin(), features.end(), [](const auto* one) {
                           return one->keys.size() > 1;
                         });
  for (size_t i = 0; i < features.size(); ++i) {
    const std::string name = joined(features[i]->keys, is_nested ? 1 : 0);
    // Features of a plain tuple are counted from 0, as TorchScript's are.
    const bool is_counted = !is_nested && logits == results.begin() && name == std::to_string(i + 1);
    found.features.push_back({is_counted ? std::to_string(i) : name, features[i]->value});
  }
  return found;
}

const std::string& images_of(const Program& program) {
  if (program.inputs.size() != 1) {
    fail<FileError>("its forward must take the images alone, and takes ", program.inputs.size(), " tensors");
  }
  return program.inputs.front().name;
}

}  // namespace retort::exported
