#pragma once

#include <cstdint>

#include "data/augmentation/draw.h"

namespace retort::augmentation {

/// Changes the colours of one image, row by row. A change of contrast needs the mean of the whole image: what comes
/// before it is done while the rows are made, the rest afterwards.
class ColorChanges {
 public:
  ColorChanges(const Draw& draw, int64_t channels, Size size);

  /// Whether rows are to be finished when all have begun.
  bool needs_mean() const { return contrast_ < draw_.changes; }

  /// Does what comes before a change of contrast, or all.
  /// @param row the row of the first channel; those of the others are `size.height * size.width` values apart
  void begin(float* row);
  /// Does the rest.
  void finish(float* row) const;

 private:
  void apply(const ColorChange& change, float* row) const;

  const Draw& draw_;
  int64_t channels_;
  Size size_;
  int contrast_ = 0;  // its place among the changes, or their number
  double grey_ = 0;   // the sum of what has begun
};

}  // namespace retort::augmentation
