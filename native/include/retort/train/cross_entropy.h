#pragma once

#include <retort/export.h>
#include <retort/train/schedule.h>

#include <string>
#include <vector>

namespace retort {

/// The cross-entropy of the student's logits with the labels, over the labelled samples, as in
/// torch.nn.functional.cross_entropy:
///
///   loss = sum_b u_b * [(1 - s) * -w_y log p_y - s / C * sum_c w_c log p_c] / sum_b u_b w_y
///
/// p is the softmax of sample b's logits, y its label, u the batch's sample weights (Batch::weights), w the class
/// weights, s the label smoothing, C the number of classes. If no labelled sample has a positive weight, the loss is 0.
struct RETORT_API CrossEntropyOptions {
  /// Finite and >= 0; 0 to train without labels.
  double weight = 1.0;
  Schedule schedule;
  /// w, one for each class, >= 0 and not all 0; empty if all are 1.
  std::vector<double> class_weights;
  /// s, in [0, 1].
  double label_smoothing = 0.0;

  /// The options in one line, for a checkpoint.
  std::string description() const;
};

}  // namespace retort
