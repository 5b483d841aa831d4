#pragma once

#include "kernels/cpu/logits_row.h"
#include "kernels/cpu/variants.h"

namespace retort::kernels {

// Return the row's KL(teacher || student) at the given temperature.
// @param teacher_has_probabilities whether the teacher's row holds probabilities, which are taken as they are
RETORT_DECLARE_VARIANTS(float kd_row(const LogitsRow<float>& row, bool teacher_has_probabilities);
                        double kd_row(const LogitsRow<double>& row, bool teacher_has_probabilities);)

}  // namespace retort::kernels
