#include "train/rank_descriptions.h"

#include <ATen/Version.h>
#include <retort/runtime.h>
#include <torch/headeronly/version.h>

#include <sstream>

#include "io/checksum.h"
#include "io/description.h"
#include "models/network_state.h"
#include "train/teacher_choice.h"

namespace retort {
namespace {

/// What a network does beside its tensors.
void describe_program(const std::string& role, const Network& network, std::ostream& text) {
  const NetworkState& state = NetworkState::of(network);
  text << describe(
              ("network_of_" + role).c_str(), {{"name", network.name()},
                                               {"program", std::to_string(checksum(state.packed_program()))},
                                               {"attributes", std::to_string(checksum(state.packed_attributes()))}})
       << '\n';
}

}  // namespace

std::vector<std::string> descriptions_for_ranks(
    const TrainingStepOptions& options, const std::string& configuration, const std::vector<BoundStage>& stages,
    const std::vector<torch::OrderedDict<std::string, at::Tensor>>& states) {
  std::ostringstream chosen, built;
  chosen << describe(
                "ranks", {{"version", version()},
                          {"torch_version", std::string(TORCH_VERSION)},
                          {"cpu_kernels", cpu_kernels()},
                          {"cpu_capability", std::string(at::get_cpu_capability())},
                          {"device", c10::DeviceTypeName(options.student->tensor_options().device().type(), true)},
                          {"batch_norm_over", static_cast<int64_t>(options.batch_norm)},
                          {"bucket_bytes", options.bucket_bytes},
                          {"skip_non_finite", options.skip_non_finite},
                          {"late_results", options.late_results}})
         << '\n'
         << configuration;
  describe_program("student", *options.student, built);
  for (const TeacherOptions& teacher : options.teachers) {
    if (!teacher.network || teacher.stored_outputs) continue;
    describe_program(key_of(teacher), *teacher.network, built);
    std::vector<Option> weights;
    for (const auto& entry : NetworkState::of(*teacher.network).entries()) {
      weights.emplace_back(entry.key().c_str(), entry.value().detach());
    }
    built << describe(("weights_of_" + key_of(teacher)).c_str(), weights) << '\n';
  }
  for (size_t i = 0; i < states.size(); ++i) {
    const std::string of_stage = i == 0 ? "" : "_of_stage_" + std::to_string(i);
    std::vector<Option> shapes;
    for (const auto& entry : states[i]) {
      shapes.emplace_back(entry.key().c_str(), c10::str(entry.value().scalar_type(), entry.value().sizes()));
    }
    built << describe(("training" + of_stage).c_str(), {{"parameters", stages[i].optimizer->names()}}) << '\n'
          << describe(("state" + of_stage).c_str(), shapes) << '\n';
  }
  return {chosen.str(), built.str()};
}

}  // namespace retort
