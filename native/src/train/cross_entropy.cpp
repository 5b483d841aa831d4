#include <retort/train/cross_entropy.h>

#include "io/description.h"

namespace retort {

std::string CrossEntropyOptions::description() const {
  return describe(
      "cross_entropy", {{"weight", weight},
                        {"schedule", schedule.description()},
                        {"class_weights", class_weights},
                        {"label_smoothing", label_smoothing}});
}

}  // namespace retort
