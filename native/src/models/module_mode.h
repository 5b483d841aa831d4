#pragma once

#include <torch/nn/module.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace retort {

/// Puts a module with all its parts into training or evaluation mode, and every part back into its own in the end.
class ModuleMode {
 public:
  ModuleMode(torch::nn::Module& root, bool training) : root_(root), root_was_training_(root.is_training()) {
    const auto parts = root.modules(/*include_self=*/false);
    const auto differs = [training](const auto& part) { return part->is_training() != training; };
    if (root_was_training_ == training && std::none_of(parts.begin(), parts.end(), differs)) return;
    changed_ = true;
    for (const auto& part : parts) modes_.emplace_back(part, part->is_training());
    root.train(training);
  }

  ~ModuleMode() {
    if (!changed_) return;
    // train() reaches everything below a part, and parts come before what they contain.
    root_.train(root_was_training_);
    for (const auto& [part, was_training] : modes_) part->train(was_training);
  }

  ModuleMode(const ModuleMode&) = delete;
  ModuleMode& operator=(const ModuleMode&) = delete;

 private:
  torch::nn::Module& root_;
  bool root_was_training_;
  bool changed_ = false;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> modes_;
};

}  // namespace retort
