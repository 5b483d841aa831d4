#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace retort {

/// Requires int64 labels [batch], each a class or -1, and returns how many samples have a label.
int64_t check_labels(const char* function, const at::Tensor& labels, int64_t batch, int64_t classes);

/// Requires int64 labels [batch] on the device of logits [batch, classes], each a class or -1 as far as that can be
/// looked at.
void check_labels_of(const char* function, const at::Tensor& labels, const at::Tensor& logits);

/// Requires weights [batch] of samples, at least 0, and returns their sum.
double check_weights(const char* function, const at::Tensor& weights, int64_t batch);

/// Writes the number of samples whose label has the largest logit, the first of equal ones; -1 is never counted. Does
/// not wait for the logits' device.
/// @param count float64 [] on the logits' device
void write_correct(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& count);

}  // namespace retort
