#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace retort {

/// Which parts of a module are to be in training mode for a forward pass, the rest being in evaluation mode. Looked up
/// once; the module must outlive it and keep its parts.
class ModulePlan {
 public:
  using Rule = std::function<bool(const std::string& name, const torch::nn::Module& part)>;

  /// @param trains whether a part is to train, the module itself being called ""
  ModulePlan(torch::nn::Module& root, const Rule& trains) : root_(&root), root_trains_(trains("", root)) {
    for (const auto& part : root.named_modules(/*name_prefix=*/std::string(), /*include_self=*/false)) {
      parts_.push_back({part.value(), trains(part.key(), *part.value())});
    }
  }

  ModulePlan(torch::nn::Module& root, bool trains)
      : ModulePlan(root, [trains](const std::string&, const torch::nn::Module&) { return trains; }) {}

 private:
  friend class ModuleMode;
  struct Part {
    std::shared_ptr<torch::nn::Module> module;
    bool trains;
  };

  torch::nn::Module* root_;
  bool root_trains_;
  std::vector<Part> parts_;
};

/// Puts a module with all its parts into the modes of a plan, and every part back into its own in the end.
class ModuleMode {
 public:
  explicit ModuleMode(const ModulePlan& plan) : plan_(plan), root_trained_(plan.root_->is_training()) {
    trained_.reserve(plan.parts_.size());
    bool differs = root_trained_ != plan.root_trains_;
    for (const ModulePlan::Part& part : plan.parts_) {
      trained_.push_back(part.module->is_training());
      differs = differs || trained_.back() != part.trains;
    }
    if (!differs) return;
    changed_ = true;
    // train() reaches everything below a part, and parts come before what they contain.
    plan.root_->train(plan.root_trains_);
    for (const ModulePlan::Part& part : plan.parts_) set(part, part.trains);
  }

  ~ModuleMode() {
    if (!changed_) return;
    plan_.root_->train(root_trained_);
    for (size_t i = 0; i < trained_.size(); ++i) set(plan_.parts_[i], trained_[i]);
  }

  ModuleMode(const ModuleMode&) = delete;
  ModuleMode& operator=(const ModuleMode&) = delete;

 private:
  static void set(const ModulePlan::Part& part, bool training) {
    if (part.module->is_training() != training) part.module->train(training);
  }

  const ModulePlan& plan_;
  bool root_trained_;
  bool changed_ = false;
  std::vector<bool> trained_;
};

}  // namespace retort
