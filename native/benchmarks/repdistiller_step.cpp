#include "repdistiller_step.h"

#include <retort/retort.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace retort::benchmarks {
namespace {

void set_method(const std::string& method, TrainingStepOptions& options) {
  const auto add = [&](double weight, std::shared_ptr<CriterionOptions> criterion,
                       const std::vector<std::string>& taps) {
    options.terms.push_back({weight, std::move(criterion), taps, taps});
  };
  if (method == "kd") {
    options.cross_entropy.weight = 0.1;
    add(0.9, std::make_shared<KdOptions>(), {});
  } else if (method == "fsp") {
    add(1, std::make_shared<FspOptions>(), {"stem", "layer1", "layer2", "layer3"});
  } else if (method == "nst") {
    add(50, std::make_shared<NstOptions>(), {"layer1", "layer2", "layer3"});
  } else if (method == "crd") {
    const auto crd = std::make_shared<CrdOptions>();
    crd->samples = kSamples;
    crd->negatives = kNegatives;
    add(0.8, crd, {"embedding"});
  } else if (method == "ofd") {
    add(0.5, std::make_shared<OfdOptions>(), {"layer1.pre", "layer2.pre", "layer3.pre"});
  } else {
    throw std::invalid_argument("unknown method " + method);
  }
}

}  // namespace

TrainingStepOptions step_options(const std::string& method, const Pair& pair) {
  TrainingStepOptions options;
  options.teachers = {make_network(pair.teacher, pair.classes)};
  options.student = make_network(pair.student, pair.classes);
  options.input_shape = {3, pair.size, pair.size};
  set_method(method, options);
  const auto sgd = std::make_shared<SgdOptions>();
  sgd->learning_rate = 0.05;
  sgd->momentum = 0.9;
  sgd->weight_decay = 5e-4;
  options.optimizer = sgd;
  return options;
}

}  // namespace retort::benchmarks
