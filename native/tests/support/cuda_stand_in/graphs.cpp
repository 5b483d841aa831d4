#include <algorithm>

#include "capture.h"
#include "runtime.h"
#include "streams.h"

using namespace retort::stand_in;

struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
  int64_t kernels = 0;
};

namespace {

/// Executable graphs outlive their handles until they have run.
std::vector<std::shared_ptr<CUgraphExec_st>> executables;

auto find(cudaGraphExec_t handle) {
  return std::find_if(executables.begin(), executables.end(), [&](const auto& one) { return one.get() == handle; });
}

cudaError_t instantiate(cudaGraphExec_t* executable, cudaGraph_t graph) {
  if (!executable || !graph) return cudaErrorInvalidValue;
  auto made = std::make_shared<CUgraphExec_st>();
  for (const auto& node : graph->nodes) {
    made->kernels += node->type == cudaGraphNodeTypeKernel;
    made->work.push_back(node->work);
  }
  *executable = made.get();
  executables.push_back(std::move(made));
  return cudaSuccess;
}

/// Tells how many there are where there is no place for them.
cudaError_t list(const std::vector<cudaGraphNode_t>& all, cudaGraphNode_t* nodes, size_t* count) {
  if (nodes) std::copy_n(all.begin(), std::min(*count, all.size()), nodes);
  *count = all.size();
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long /*flags*/) {
  return call([&] { return instantiate(executable, graph); });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return call([&] { return instantiate(executable, graph); });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t handle, cudaStream_t stream) {
  return call([&] {
    if (find(handle) == executables.end()) return cudaErrorInvalidValue;
    return submit(stream, cudaGraphNodeTypeEmpty, {});
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  return call([&] {
    const auto found = find(handle);
    if (found == executables.end()) return cudaErrorInvalidValue;
    const auto run = [executable = *found] {
      ++counts.graph_launches;
      counts.replayed += executable->kernels;
      for (const auto& work : executable->work) {
        if (work) work();
      }
    };
    return submit(stream, cudaGraphNodeTypeGraph, run);
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  return call([&] {
    const auto found = find(handle);
    if (found == executables.end()) return cudaErrorInvalidValue;
    executables.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call([&] {
    if (!graph) return cudaErrorInvalidValue;
    delete graph;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call([&] {
    if (!graph) return cudaErrorInvalidValue;
    std::vector<cudaGraphNode_t> all;
    for (const auto& node : graph->nodes) all.push_back(node.get());
    return list(all, nodes, count);
  });
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  return call([&] {
    *type = node->type;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphNodeGetDependencies(
    cudaGraphNode_t node, cudaGraphNode_t* dependencies, cudaGraphEdgeData* edges, size_t* count) {
  return call([&] {
    if (edges) std::fill_n(edges, dependencies ? *count : 0, cudaGraphEdgeData{});
    return list(node->dependencies, dependencies, count);
  });
}
