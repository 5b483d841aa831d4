#pragma once

#include <retort/losses/criterion.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// The cross-entropy with the labels as a criterion, see CrossEntropyOptions. A batch of which no labelled sample
/// counts is none of its concern.
/// @param class_weights one for each class, or empty
/// @throws c10::ValueError if an argument is out of range or the class weights are not one for each class
std::shared_ptr<Criterion> make_cross_entropy(
    const std::vector<double>& class_weights, double label_smoothing, int64_t classes);

}  // namespace retort
