#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_copy.h>

#include <map>
#include <utility>
#include <vector>

namespace retort {

/// Whether the contents of one tensor can be copied into another as they are.
inline bool fits(const at::Tensor& target, const at::Tensor& source) {
  return target.sizes() == source.sizes() && target.dtype() == source.dtype() && target.device() == source.device();
}

/// Copies a tensor's contents into memory of their own, the last copy's if they fit. Not for autograd.
inline void remember(at::Tensor& copy, const at::Tensor& tensor) {
  if (copy.defined() && fits(copy, tensor)) {
    copy.copy_(tensor);
  } else {
    copy = tensor.detach().clone();
  }
}

/// Copies the contents of tensors to the same number of others, on a GPU by a few kernels for all.
inline void copy_all(const std::vector<at::Tensor>& targets, const std::vector<at::Tensor>& sources) {
  using Tensors = std::vector<at::Tensor>;
  std::map<std::pair<int64_t, at::ScalarType>, std::pair<Tensors, Tensors>> elsewhere;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i].is_cpu()) {
      targets[i].copy_(sources[i]);
    } else {
      auto& [to, from] = elsewhere[{targets[i].get_device(), targets[i].scalar_type()}];
      to.push_back(targets[i]);
      from.push_back(sources[i]);
    }
  }
  for (const auto& [kind, tensors] : elsewhere) at::_foreach_copy_(tensors.first, tensors.second);
}

/// remember() for many tensors.
inline void remember(std::vector<at::Tensor>& copies, const std::vector<at::Tensor>& tensors) {
  copies.resize(tensors.size());
  std::vector<at::Tensor> targets, sources;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].is_cpu() || !copies[i].defined() || !fits(copies[i], tensors[i])) {
      remember(copies[i], tensors[i]);
    } else {
      targets.push_back(copies[i]);
      sources.push_back(tensors[i]);
    }
  }
  copy_all(targets, sources);
}

}  // namespace retort
