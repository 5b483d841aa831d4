// A team's library, of a name of its own and perhaps of one that another library has, too.
#include <retort/losses/registry.h>

namespace {

class Mean final : public retort::Criterion {
 public:
  at::Tensor forward(const retort::CriterionInput& input) override { return input.logits_student.mean(); }
};

struct MeanOptions : retort::CriterionOptions {
  void read(retort::OptionReader& /*options*/) {}
  std::shared_ptr<retort::Criterion> build(const retort::FeatureShapes& /*shapes*/) const override {
    return std::make_shared<Mean>();
  }
};

}  // namespace

RETORT_REGISTER_CRITERION(TEAM_CRITERION, MeanOptions);
#ifdef TEAM_OTHER_CRITERION
RETORT_REGISTER_CRITERION(TEAM_OTHER_CRITERION, MeanOptions);
#endif
