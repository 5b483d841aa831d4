#pragma once

#include <ATen/core/Tensor.h>
#include <retort/data/augmentation.h>

#include "data/augmentation/draw.h"

namespace retort::augmentation {

inline constexpr const char* kFunction = "augment";

/// Requires [B, C, H, W], float32, on the CPU, dense and not empty.
void check_images(const at::Tensor& images);
/// Requires int64 [batch], at least 0.
void check_indices(const at::Tensor& indices, int64_t batch);
/// Requires options that images fit. Normalization checks mean and deviation.
void check_options(const AugmentationOptions& options, const at::Tensor& images);
/// Requires what the result can be written into.
void check_augmented(const at::Tensor& augmented, at::IntArrayRef shape, const at::Tensor& images);

}  // namespace retort::augmentation
