#pragma once

#include <retort/train/training_step.h>

#include <cstdint>
#include <string>

namespace retort::benchmarks {

constexpr int64_t kBatch = 64;
constexpr int64_t kSamples = 50000;
constexpr int64_t kNegatives = 16384;

/// A teacher and its student by their names, and what they train on.
struct Pair {
  const char* teacher;
  const char* student;
  int64_t classes;
  int64_t batch;
  /// Height and width of the images.
  int64_t size;
};

constexpr Pair kCifar = {"resnet32x4", "resnet8x4", 100, kBatch, 32};
constexpr Pair kSmallCifar = {"resnet20", "resnet8", 100, kBatch, 32};
constexpr Pair kImageNet = {"resnet50", "resnet18", 1000, 16, 224};

/// RepDistiller's step, with losses and weights as its scripts set them, the weight of FSP, which has none there, and
/// OFD apart.
/// @param method kd or, for pairs of CIFAR's size, fsp, nst, crd or ofd
TrainingStepOptions step_options(const std::string& method, const Pair& pair = kCifar);

}  // namespace retort::benchmarks
