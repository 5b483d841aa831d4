#include "projection_criterion.h"

#include <ATen/Functions.h>

#include <utility>

namespace retort::test {
namespace {

/// Refers to its options, whose hooks a test sets and takes away at any time.
class ProjectionCriterion final : public Criterion {
 public:
  ProjectionCriterion(const ProjectionOptions& options, int64_t student, int64_t teacher) : options_(options) {
    projection_ = register_parameter("projection", at::randn({student, teacher}));
    calls_ = register_buffer("calls", at::zeros({}, at::kLong));
    memory_ = register_buffer("memory", at::zeros({teacher}));
  }

  void check_batch(const CriterionBatch& batch) const override {
    if (options_.when_told) options_.when_told("check_batch", batch);
  }

  void draw(const CriterionBatch& batch) override {
    if (options_.when_told) options_.when_told("draw", batch);
  }

  at::Tensor forward(const CriterionInput& input) override {
    calls_.add_(1);
    const at::Tensor loss = (input.student.at(0).matmul(projection_) - input.teacher.at(0)).square().mean();
    return options_.in_forward ? options_.in_forward(loss) : loss;
  }

  void after_step(const CriterionInput& input) override {
    memory_.copy_(input.teacher.at(0).mean(0));
    if (options_.in_after_step) options_.in_after_step();
  }

 private:
  const ProjectionOptions& options_;
  at::Tensor projection_;
  at::Tensor calls_;
  at::Tensor memory_;
};

}  // namespace

std::shared_ptr<Criterion> ProjectionOptions::build(const FeatureShapes& shapes) const {
  return std::make_shared<ProjectionCriterion>(*this, shapes.student.at(0).at(0), shapes.teacher.at(0).at(0));
}

}  // namespace retort::test
