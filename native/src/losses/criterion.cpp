#include <retort/losses/criterion.h>

namespace retort {

void Criterion::after_step(const CriterionInput& /*input*/) {}

CriterionOptions::~CriterionOptions() = default;

}  // namespace retort
