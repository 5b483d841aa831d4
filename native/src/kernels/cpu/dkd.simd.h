#pragma once

#include "kernels/cpu/logits_row.h"
#include "kernels/cpu/variants.h"

namespace retort::kernels {

// Return alpha times the divergence over the label, plus beta times the divergence over the other classes.
RETORT_DECLARE_VARIANTS(float dkd_row(const LogitsRow<float>& row, int64_t label, float alpha, float beta);
                        double dkd_row(const LogitsRow<double>& row, int64_t label, double alpha, double beta);)

}  // namespace retort::kernels
