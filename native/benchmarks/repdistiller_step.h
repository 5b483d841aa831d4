#pragma once

#include <retort/train/training_step.h>

#include <cstdint>
#include <string>

namespace retort::benchmarks {

constexpr int64_t kBatch = 64;
constexpr int64_t kSamples = 50000;
constexpr int64_t kNegatives = 16384;

/// RepDistiller's step for CIFAR-100, resnet32x4 -> resnet8x4, with losses and weights as its scripts set them, the
/// weight of FSP, which has none there, and OFD apart.
/// @param method kd, fsp, nst, crd or ofd
TrainingStepOptions step_options(const std::string& method);

}  // namespace retort::benchmarks
