#include "train/optimizer.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/TensorIterator.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "io/description.h"
#include "runtime/one_thread.h"
#include "tensor/check.h"
#include "tensor/names.h"
#include "tensor/numbers.h"

namespace retort {
namespace {

/// The group that a parameter belongs to, or one that changes nothing.
ParameterGroup group_of(const std::vector<ParameterGroup>& groups, const std::string& name) {
  for (const ParameterGroup& group : groups) {
    if (is_among(name, group.names)) return group;
  }
  return {};
}

void check_groups(const std::vector<ParameterGroup>& groups, const std::vector<std::string>& parameters) {
  for (const ParameterGroup& group : groups) {
    for (const std::string& name : group.names) {
      RETORT_CHECK(
          std::any_of(
              parameters.begin(), parameters.end(), [&](const std::string& one) { return is_part_of(one, name); }),
          "Optimizer: name of a group must be that of a trained parameter or module (got ", name, ")");
    }
    for (double factor : {group.learning_rate_factor, group.weight_decay_factor}) {
      check_not_negative("Optimizer", "factor of a group", factor);
    }
  }
}

}  // namespace

OptimizerOptions::~OptimizerOptions() = default;

void OptimizerOptions::check(const char* function) const {
  check_positive(function, "learning rate", learning_rate);
  check_not_negative(function, "weight decay", weight_decay);
  schedule.check(function);
}

std::string OptimizerOptions::common_description() const {
  std::vector<std::string> of_groups;
  for (const ParameterGroup& group : groups) {
    of_groups.push_back(describe(
        "group", {{"names", group.names},
                  {"learning_rate_factor", group.learning_rate_factor},
                  {"weight_decay_factor", group.weight_decay_factor}}));
  }
  return describe(
      "common", {{"learning_rate", learning_rate},
                 {"schedule", schedule.description()},
                 {"weight_decay", weight_decay},
                 {"decay_norms_and_biases", decay_norms_and_biases},
                 {"groups", of_groups}});
}

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<std::pair<std::string, at::Tensor>> parameters)
    : learning_rate_(options.learning_rate), schedule_(options.schedule) {
  for (auto& [name, parameter] : parameters) {
    names_.push_back(std::move(name));
    parameters_.push_back(std::move(parameter));
  }
  check_groups(options.groups, names_);
  std::map<std::tuple<at::ScalarType, c10::DeviceType, double, double>, Bucket> buckets;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i];
    RETORT_CHECK(
        at::has_internal_overlap(parameter) != at::MemOverlap::Yes,
        "Optimizer: parameter must have memory of its own for each element (got ", names_[i], " with strides ",
        parameter.strides(), ")");
    const ParameterGroup group = group_of(options.groups, names_[i]);
    const bool decays = options.decay_norms_and_biases || parameter.dim() >= 2;
    const double weight_decay = decays ? options.weight_decay * group.weight_decay_factor : 0.0;
    Bucket& bucket =
        buckets[{parameter.scalar_type(), parameter.device().type(), group.learning_rate_factor, weight_decay}];
    bucket.learning_rate_factor = group.learning_rate_factor;
    bucket.weight_decay = weight_decay;
    bucket.members.push_back(i);
    bucket.elements += parameter.numel();
  }
  for (auto& [key, bucket] : buckets) buckets_.push_back(std::move(bucket));
}

void Optimizer::remember(const std::string& kind) {
  Tensors zeros;
  for (const at::Tensor& parameter : parameters_) zeros.push_back(at::zeros_like(parameter.detach()));
  remembered_.emplace_back(kind, std::move(zeros));
}

void Optimizer::remember_scalars(const std::string& kind, at::ScalarType dtype) {
  Tensors zeros;
  for (const at::Tensor& parameter : parameters_) zeros.push_back(at::zeros({}, parameter.options().dtype(dtype)));
  remembered_.emplace_back(kind, std::move(zeros));
}

std::vector<Optimizer::Work> Optimizer::prepare(const Tensors& gradients, const Rate& rate) const {
  std::vector<Work> works;
  for (const Bucket& bucket : buckets_) {
    Rate own = {rate.value * bucket.learning_rate_factor};
    // The fused kernels take it in float32.
    if (rate.on_device.defined()) own.on_device = (rate.on_device * bucket.learning_rate_factor).to(at::kFloat);
    Work work{&bucket, std::move(own), {}, {}, std::vector<Tensors>(remembered_.size()), {}};
    for (size_t member : bucket.members) {
      at::Tensor gradient = gradients[member];
      if (!gradient.defined()) continue;
      at::Tensor parameter = parameters_[member];
      if (!parameter.is_non_overlapping_and_dense()) {
        work.substitutes.emplace_back(parameter, at::empty_like(parameter.detach()).copy_(parameter));
        parameter = work.substitutes.back().second;
      }
      if (gradient.strides() != parameter.strides()) gradient = at::empty_like(parameter.detach()).copy_(gradient);
      work.parameters.push_back(parameter);
      work.gradients.push_back(std::move(gradient));
      for (size_t kind = 0; kind < remembered_.size(); ++kind) {
        work.remembered[kind].push_back(remembered_[kind].second[member]);
      }
    }
    if (!work.parameters.empty()) works.push_back(std::move(work));
  }
  return works;
}

void Optimizer::apply(const std::vector<Work>& works, const at::Tensor& failed) {
  const auto found = failed.defined() ? std::optional<at::Tensor>(failed) : std::nullopt;
  for (const Work& work : works) {
    // LibTorch's fused kernels start threads for each parameter, however small.
    const auto members = static_cast<int64_t>(work.bucket->members.size());
    const OneThread alone(work.bucket->elements < members * at::internal::GRAIN_SIZE);
    update(work, found);
    for (const auto& [parameter, substitute] : work.substitutes) parameter.copy_(substitute);
  }
}

void Optimizer::reset() {
  for (const auto& [kind, tensors] : remembered_) {
    for (const at::Tensor& tensor : tensors) tensor.zero_();
  }
}

torch::OrderedDict<std::string, at::Tensor> Optimizer::state() const {
  torch::OrderedDict<std::string, at::Tensor> state;
  for (const auto& [kind, tensors] : remembered_) {
    for (size_t i = 0; i < tensors.size(); ++i) state.insert(kind + "." + names_[i], tensors[i]);
  }
  return state;
}

}  // namespace retort
