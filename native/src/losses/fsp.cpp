#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/adaptive_max_pool2d.h>
#include <ATen/ops/bmm.h>
#include <retort/losses/fsp.h>
#include <torch/library.h>
#include <torch/nn/modules/container/moduledict.h>
#include <torch/nn/modules/conv.h>

#include <algorithm>
#include <array>
#include <optional>

#include "losses/checks.h"
#include "losses/names.h"
#include "losses/option_list.h"
#include "runtime/exit_gate.h"
#include "tensor/operators.h"
#include "tensor/precision.h"

namespace retort {
namespace {

namespace nn = torch::nn;

constexpr size_t kMinimumFspMaps = 2;

constexpr auto kPoolings = names_of<FspPooling>("fsp_loss", "pooling", "FspPooling", "average", "max");
constexpr auto kPoolingsOfMatrix = kPoolings.in("fsp_matrix");
constexpr auto kFspReductions =
    names_of<FspReduction>("fsp_loss", "reduction", "FspReduction", "mean", "paper", "torchdistill");

constexpr OptionList kFspOptions("fsp_loss", [](const FspOptions& options, const auto& visit) {
  visit("pairs", options.pairs);
  visit(kPoolings, options.pooling);
  visit(kFspReductions, options.reduction);
  visit("adapt_channels", options.adapt_channels);
});

void check_channels(size_t map, const c10::SymInt& student, const c10::SymInt& teacher) {
  RETORT_CHECK_AS(
      ShapeError, student == teacher, "fsp_loss: ", Element{"student", map}, " and ", Element{"teacher", map},
      " must have the same number of channels (got ", student, " and ", teacher, ")");
}

void check_pairs(at::IntArrayRef pairs, size_t maps) {
  RETORT_CHECK(pairs.size() % 2 == 0, "fsp_loss: pairs must be two maps each (got ", pairs.size(), " maps)");
  for (int64_t map : pairs) {
    RETORT_CHECK(
        map >= 0 && map < static_cast<int64_t>(maps), "fsp_loss: pairs must be between 0 and ", maps - 1, " (got ", map,
        ")");
  }
}

void check(at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs) {
  check_maps("fsp_loss", student, teacher, kMinimumFspMaps);
  for (size_t i = 0; i < student.size(); ++i) check_channels(i, student[i].sym_size(1), teacher[i].sym_size(1));
  check_pairs(pairs, student.size());
}

std::vector<int64_t> or_consecutive(at::IntArrayRef pairs, size_t maps) {
  std::vector<int64_t> result = pairs.vec();
  if (!result.empty()) return result;
  for (size_t i = 0; i + 1 < maps; ++i) {
    result.push_back(static_cast<int64_t>(i));
    result.push_back(static_cast<int64_t>(i) + 1);
  }
  return result;
}

/// For arguments that were checked: the sum of the losses of the pairs.
at::Tensor sum_of_pairs(
    at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs, FspPooling pooling, FspReduction reduction) {
  using Forward =
      LossWithGradients(at::TensorList, at::TensorList, at::IntArrayRef, int64_t, int64_t, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_fsp_forward");
  return std::get<0>(
      forward.call(student, teacher, pairs, static_cast<int64_t>(pooling), static_cast<int64_t>(reduction), {}));
}

std::vector<at::Tensor> checked_fsp_loss(
    at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs, c10::string_view pooling,
    c10::string_view reduction) {
  check(student, teacher, pairs);
  const FspPooling pooling_value = kPoolings.value_of(pooling);
  const FspReduction reduction_value = kFspReductions.value_of(reduction);
  const std::vector<int64_t> all = or_consecutive(pairs, student.size());
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i < all.size(); i += 2) {
    // Only the pair's maps, so that each loss is connected to no others.
    const std::array<at::Tensor, 2> student_pair = {student[all[i]], student[all[i + 1]]};
    const std::array<at::Tensor, 2> teacher_pair = {teacher[all[i]], teacher[all[i + 1]]};
    losses.push_back(sum_of_pairs(student_pair, teacher_pair, {0, 1}, pooling_value, reduction_value));
  }
  return losses;
}

at::Tensor checked_fsp_matrix(const at::Tensor& first, const at::Tensor& second, c10::string_view pooling) {
  check_map("fsp_matrix", "first", first);
  check_map("fsp_matrix", "second", second);
  RETORT_CHECK_AS(
      ShapeError, first.sym_size(0) == second.sym_size(0),
      "fsp_matrix: first and second must have the same batch (got ", first.sym_size(0), " and ", second.sym_size(0),
      ")");
  check_compatible("fsp_matrix", "first", first, "second", second);
  const bool takes_largest = kPoolingsOfMatrix.value_of(pooling) == FspPooling::kMax;
  const std::array<c10::SymInt, 2> size = {
      first.sym_size(2).min(second.sym_size(2)), first.sym_size(3).min(second.sym_size(3))};
  const auto as_matrix = [&](const at::Tensor& map) {
    const at::Tensor wide = map.to(compute_dtype(map));
    if (map.sym_sizes().slice(2) == c10::SymIntArrayRef(size)) return wide.flatten(2);
    if (!takes_largest) return at::adaptive_avg_pool2d_symint(wide, size).flatten(2);
    const std::array<int64_t, 2> known = {size[0].guard_int(__FILE__, __LINE__), size[1].guard_int(__FILE__, __LINE__)};
    return std::get<0>(at::adaptive_max_pool2d(wide, known)).flatten(2);
  };
  return at::bmm(as_matrix(first) / (size[0] * size[1]), as_matrix(second).mT());
}

class FspCriterion final : public Criterion {
 public:
  FspCriterion(const FspOptions& options, const FeatureShapes& shapes)
      : options_(options), pairs_(or_consecutive(options.pairs, shapes.student.size())) {
    if (!options.adapt_channels) return;
    adapters_ = register_module("adapters", nn::ModuleDict());
    for (size_t i = 0; i < shapes.student.size(); ++i) {
      const int64_t student = shapes.student[i][0];
      const int64_t teacher = shapes.teacher[i][0];
      if (student == teacher) continue;
      adapters_->update({{std::to_string(i), nn::Conv2d(nn::Conv2dOptions(student, teacher, 1)).ptr()}});
    }
  }

  at::Tensor forward(const CriterionInput& input) override {
    const std::vector<at::Tensor> student = adapted(input.student);
    const std::vector<at::Tensor> teacher = in_dtype_of(student.at(0), input.teacher);
    check(student, teacher, pairs_);
    return sum_of_pairs(student, teacher, pairs_, options_.pooling, options_.reduction);
  }

 private:
  std::vector<at::Tensor> adapted(const std::vector<at::Tensor>& maps) {
    if (!adapters_ || adapters_->empty()) return maps;
    std::vector<at::Tensor> result;
    for (size_t i = 0; i < maps.size(); ++i) {
      const std::string name = std::to_string(i);
      // Adapters are kept in float32 for half-precision maps, and all maps of a loss are of one dtype.
      const at::Tensor map = maps[i].to(compute_dtype(maps[i]));
      result.push_back(adapters_->contains(name) ? (*adapters_)[name]->as<nn::Conv2d>()->forward(map) : map);
    }
    return result;
  }

  static std::vector<at::Tensor> in_dtype_of(const at::Tensor& student, const std::vector<at::Tensor>& teacher) {
    std::vector<at::Tensor> result;
    for (const at::Tensor& map : teacher) result.push_back(map.to(student.scalar_type()));
    return result;
  }

  FspOptions options_;
  std::vector<int64_t> pairs_;
  nn::ModuleDict adapters_{nullptr};
};

}  // namespace

std::vector<at::Tensor> fsp_loss(
    at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs, FspPooling pooling, FspReduction reduction) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_fsp_loss)>("retort::fsp_loss");
  return op.call(student, teacher, pairs, kPoolings.of(pooling), kFspReductions.of(reduction));
}

at::Tensor fsp_matrix(const at::Tensor& first, const at::Tensor& second, FspPooling pooling) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_fsp_matrix)>("retort::fsp_matrix");
  return op.call(first, second, kPoolingsOfMatrix.of(pooling));
}

std::shared_ptr<Criterion> FspOptions::build(const FeatureShapes& shapes) const {
  kFspOptions.check(*this);
  check_map_taps("fsp_loss", shapes, kMinimumFspMaps);
  check_pairs(pairs, shapes.student.size());
  for (size_t i = 0; !adapt_channels && i < shapes.student.size(); ++i) {
    check_channels(i, shapes.student[i][0], shapes.teacher[i][0]);
  }
  return std::make_shared<FspCriterion>(*this, shapes);
}

std::string FspOptions::description() const {
  return kFspOptions.describe(*this);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      kFspOptions.schema(
          "fsp_loss(Tensor[] student, Tensor[] teacher, *, {pairs}, {pooling}, {reduction}) -> Tensor[]", FspOptions()),
      &checked_fsp_loss);
  define_composite(
      m, kFspOptions.schema("fsp_matrix(Tensor first, Tensor second, *, {pooling}) -> Tensor", FspOptions()),
      &checked_fsp_matrix);
  // The sum of the losses of the pairs; `gradients` of the student's maps, of the teacher's.
  m.def(
      "_fsp_forward(Tensor[] student, Tensor[] teacher, int[] pairs, int pooling, int reduction, bool[2] gradients) "
      "-> (Tensor, Tensor[])");
}

}  // namespace retort
