// A step by a CUDA graph, recorded once several batches in a row have had the same shapes.
#include <ATen/Context.h>
#include <c10/core/InferenceMode.h>

#include <utility>

#include "train/step.h"

namespace retort {
namespace {

/// What no graph changes.
struct HostState {
  explicit HostState(const std::vector<std::pair<std::string, Network*>>& networks) {
    for (const auto& [name, network] : networks) attributes.push_back(NetworkState::of(*network).packed_attributes());
    random.save(generator_of_cpu());
  }

  bool operator==(const HostState& other) const { return attributes == other.attributes && random == other.random; }

  static at::Generator generator_of_cpu() { return at::globalContext().defaultGenerator(at::kCPU); }

  std::vector<std::string> attributes;
  RandomState random;
};

/// Parameters and buffers, where the graph will find them.
std::vector<at::Tensor> tensors_of(const std::vector<std::pair<std::string, Network*>>& networks) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, network] : networks) {
    NetworkState::of(*network).synchronise();
    for (const at::Tensor& parameter : network->parameters()) tensors.push_back(parameter);
    for (const at::Tensor& buffer : network->buffers()) tensors.push_back(buffer);
  }
  return tensors;
}

}  // namespace

bool TrainingStep::Impl::replay(const Batch& batch, Attempt& attempt) {
  if (!options.cuda_graph || Teachers::are_given(batch)) return false;
  const c10::InferenceMode no_inference(false);
  if (graph.has_moved()) graph.drop();
  StepGraph::Signature signature = Staging::signature(batch);
  signature.insert(signature.end(), attempt.applies.begin(), attempt.applies.end());
  const bool is_decided = student_format.chosen() != MemoryFormat::kAuto && teachers.have_formats(stage().teachers);
  const bool is_time = graph.is_time_to_record(signature) && is_decided;
  if (is_time && !graph.fits(signature)) record(signature, batch, attempt);
  if (!graph.fits(signature)) return false;
  attempt.result.graph = true;
  graph.launch(staging, batch);
  attempt.transaction.join(graph_participant);
  found.fetch();
  return true;
}

void TrainingStep::Impl::record(const StepGraph::Signature& signature, const Batch& batch, Attempt& attempt) {
  for (const BoundLoss& loss : stage().losses) {
    if (std::string obstacle = loss.criterion->obstacle_to_graph(); !obstacle.empty()) return graph.give_up(obstacle);
  }
  const HostState before(networks());
  const at::Generator generator = at::globalContext().defaultGenerator(device);
  RandomState drawn;
  drawn.save(generator);
  graph.record(
      signature, batch, tensors_of(networks()),
      [&](const Batch& places) {
        Attempt recorded;
        recorded.applies = attempt.applies;
        recorded.updates = attempt.updates;
        perform(recorded, places, /*records=*/true);
      },
      [this] {
        const at::NoGradGuard no_gradients;
        for (const BoundLoss& loss : stage().losses) loss.criterion->restore();
      });
  bool keeps_buffers = !graph.has_moved();
  for (const auto& [name, network] : networks()) {
    keeps_buffers = keeps_buffers && NetworkState::of(*network).keeps_its_buffers();
  }
  if (!keeps_buffers) graph.give_up("a network assigns its buffers anew");
  if (!(HostState(networks()) == before)) {
    graph.give_up("a network changes attributes of its own, or draws random numbers on the CPU");
  }
  if (graph.obstacle().empty()) return;
  // The CPU's state is rolled back to where take() left it. On the device nothing has happened, so that what criteria
  // remember of it must be forgotten first.
  for (const BoundLoss& loss : stage().losses) loss.participant->save();
  attempt.transaction.restart();
  drawn.restore(generator);
  before.random.restore(HostState::generator_of_cpu());
}

}  // namespace retort
