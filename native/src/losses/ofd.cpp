#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/special_erfcx.h>
#include <ATen/ops/special_ndtr.h>
#include <ATen/ops/where.h>
#include <retort/distributed/whole_batch.h>
#include <retort/losses/ofd.h>
#include <torch/library.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>

#include <array>
#include <cmath>

#include "losses/checks.h"
#include "losses/names.h"
#include "losses/option_list.h"
#include "losses/sum.h"
#include "runtime/exit_gate.h"
#include "tensor/operators.h"
#include "tensor/precision.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// The official code's bound: below it, a channel is hardly ever negative and its margin -3 gamma.
constexpr double kSmallestProbability = 0.001;
/// What the official code adds to the number of negatives, so that the margin is 0 where there is none.
constexpr double kSmallestCount = 1e-6;
/// From here on, four terms of an asymptotic series in 1 / z^2 are exact to 1e-10.
constexpr double kLargeZ = 50;

constexpr auto kOfdReductions =
    names_of<OfdReduction>("ofd_loss", "reduction", "OfdReduction", "mean", "sum", "batchmean");
constexpr auto kInits = names_of<OfdInit>("ofd_loss", "init", "OfdInit", "official", "kaiming");

constexpr OptionList kOfdOptions("ofd_loss", [](const OfdOptions& options, const auto& visit) {
  visit("margins", options.margins);
  visit(kOfdReductions, options.reduction);
  visit("layer_decay", options.layer_decay, kPositive);
  visit("scale", options.scale, kPositive);
  visit(kInits, options.init);
});

/// beta - gamma phi(z) / Phi(-z) with z = beta / gamma, for any z.
at::Tensor expected_negative(const at::Tensor& beta, const at::Tensor& gamma) {
  const at::Tensor z = beta / gamma;
  const at::Tensor hazard = M_2_SQRTPI * M_SQRT1_2 / at::special_erfcx(z * M_SQRT1_2);
  // Where beta and gamma times the hazard all but cancel each other, the asymptotic series of their difference.
  const at::Tensor r = 1 / (z * z);
  const at::Tensor series = -gamma / z * (1 - r * (2 - r * (10 - r * 74)));
  return at::where(z > kLargeZ, series, beta - gamma * hazard);
}

/// The teacher's map, averaged to the height and width of the student's where they differ, then in the type that is
/// computed in.
at::Tensor at_size_of(const at::Tensor& student, const at::Tensor& teacher) {
  const c10::SymIntArrayRef size = student.sym_sizes().slice(2);
  if (teacher.sym_sizes().slice(2) == size) return teacher;
  return at::adaptive_avg_pool2d_symint(teacher.to(compute_dtype(teacher)), size);
}

/// For arguments that were checked, maps of one size.
at::Tensor unchecked_ofd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, OfdReduction reduction) {
  using Forward =
      LossWithGradients(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_ofd_forward");
  return std::get<0>(forward.call(student, teacher, margin.detach(), static_cast<int64_t>(reduction), {}));
}

/// The mean of each channel's negatives, over all ranks if there are several.
/// @param whole null if there is one process
at::Tensor unchecked_ofd_batch_margin(const at::Tensor& teacher, const WholeBatch* whole = nullptr) {
  static const auto negatives = find_operator<decltype(ofd_batch_margin)>("retort::_ofd_negatives");
  at::Tensor sums_and_counts = negatives.call(teacher.detach());
  if (whole) sums_and_counts = whole->sum(sums_and_counts);
  return (sums_and_counts.select(0, 0) / (sums_and_counts.select(0, 1) + kSmallestCount)).to(teacher.scalar_type());
}

void check_maps_of_layer(const at::Tensor& student, const at::Tensor& teacher) {
  check_map("ofd_loss", "student", student);
  check_map("ofd_loss", "teacher", teacher);
  RETORT_CHECK_AS(
      ShapeError, student.sym_sizes().slice(0, 2) == teacher.sym_sizes().slice(0, 2),
      "ofd_loss: student and teacher must have the same batch and channels (got ", student.sym_sizes(), " and ",
      teacher.sym_sizes(), ")");
  check_compatible("ofd_loss", "student", student, "teacher", teacher);
}

at::Tensor checked_ofd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, c10::string_view reduction) {
  check_maps_of_layer(student, teacher);
  check_floating("ofd_loss", "margin", margin);
  RETORT_CHECK_AS(
      ShapeError, margin.dim() == 1 && margin.sym_size(0) == student.sym_size(1), "ofd_loss: margin must be of shape [",
      student.sym_size(1), "] (got ", margin.sym_sizes(), ")");
  check_compatible("ofd_loss", "student", student, "margin", margin);
  return unchecked_ofd_loss(student, at_size_of(student, teacher), margin, kOfdReductions.value_of(reduction));
}

at::Tensor checked_ofd_batch_margin(const at::Tensor& teacher) {
  check_map("ofd_batch_margin", "teacher", teacher);
  return unchecked_ofd_batch_margin(teacher);
}

at::Tensor checked_ofd_expected_margin(const at::Tensor& bn_weight, const at::Tensor& bn_bias, bool stable) {
  check_floating("ofd_expected_margin", "bn_weight", bn_weight);
  check_floating("ofd_expected_margin", "bn_bias", bn_bias);
  RETORT_CHECK_AS(
      ShapeError, bn_weight.dim() == 1 && bn_weight.sym_numel() > 0,
      "ofd_expected_margin: bn_weight must be of shape [channels] and not empty (got ", bn_weight.sym_sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, bn_weight.sym_sizes() == bn_bias.sym_sizes(),
      "ofd_expected_margin: bn_weight and bn_bias must have the same shape (got ", bn_weight.sym_sizes(), " and ",
      bn_bias.sym_sizes(), ")");
  check_compatible("ofd_expected_margin", "bn_weight", bn_weight, "bn_bias", bn_bias);
  const at::Tensor beta = bn_bias.detach().to(at::kDouble);
  const at::Tensor gamma = bn_weight.detach().to(at::kDouble).abs();
  at::Tensor margin = expected_negative(beta, gamma);
  if (!stable) margin = at::where(at::special_ndtr(-beta / gamma) <= kSmallestProbability, -3 * gamma, margin);
  return at::where(gamma == 0, beta.clamp_max(0), margin).to(bn_weight.scalar_type());
}

/// Brings the student's map to the teacher's channels.
class Connector final : public nn::Module {
 public:
  Connector(int64_t student_channels, int64_t teacher_channels, OfdInit init) {
    conv_ = register_module("conv", nn::Conv2d(nn::Conv2dOptions(student_channels, teacher_channels, 1).bias(false)));
    norm_ = register_module("norm", nn::BatchNorm2d(teacher_channels));
    const int64_t fan = init == OfdInit::kKaiming ? student_channels : teacher_channels;
    nn::init::normal_(conv_->weight, 0, std::sqrt(2.0 / static_cast<double>(fan)));
  }

  at::Tensor forward(const at::Tensor& map) { return norm_(conv_(map.to(conv_->weight.scalar_type()))); }

 private:
  nn::Conv2d conv_{nullptr};
  nn::BatchNorm2d norm_{nullptr};
};

class OfdCriterion final : public Criterion {
 public:
  OfdCriterion(const OfdOptions& options, const FeatureShapes& shapes)
      : reduction_(options.reduction), layer_decay_(options.layer_decay), scale_(options.scale) {
    connectors_ = register_module("connectors", nn::ModuleList());
    for (size_t i = 0; i < shapes.student.size(); ++i) {
      connectors_->push_back(std::make_shared<Connector>(shapes.student[i][0], shapes.teacher[i][0], options.init));
    }
    for (size_t i = 0; i < options.margins.size(); ++i) {
      margins_.push_back(register_buffer("margin" + std::to_string(i), options.margins[i].detach().clone()));
    }
  }

  at::Tensor forward(const CriterionInput& input) override {
    std::vector<at::Tensor> losses;
    for (size_t i = 0; i < input.student.size(); ++i) {
      const at::Tensor student = connectors_->ptr<Connector>(i)->forward(input.student[i]);
      check_maps_of_layer(student, input.teacher[i]);
      const at::Tensor teacher = at_size_of(student, input.teacher[i].to(student.scalar_type()));
      const at::Tensor margin = margins_.empty() ? unchecked_ofd_batch_margin(teacher, input.whole) : margins_[i];
      const at::Tensor loss = unchecked_ofd_loss(student, teacher, margin, reduction_);
      losses.push_back(loss * weight(i, input.student.size()));
    }
    return sum(losses);
  }

  std::optional<double> divisor(const CriterionBatch& batch) const override {
    return reduction_ == OfdReduction::kSum ? std::nullopt : Criterion::divisor(batch);
  }

 private:
  double weight(size_t layer, size_t layers) const {
    return std::pow(layer_decay_, static_cast<double>(layers - layer - 1)) / scale_;
  }

  OfdReduction reduction_;
  double layer_decay_;
  double scale_;
  nn::ModuleList connectors_{nullptr};
  std::vector<at::Tensor> margins_;
};

void check_margins(const std::vector<at::Tensor>& margins, const FeatureShapes& shapes) {
  if (margins.empty()) return;
  RETORT_CHECK_AS(
      ShapeError, margins.size() == shapes.teacher.size(), "ofd_loss: margins must be one per tap (got ",
      margins.size(), " for ", shapes.teacher.size(), " taps)");
  for (size_t i = 0; i < margins.size(); ++i) {
    const Element element{"margins", i};
    check_floating("ofd_loss", element, margins[i]);
    RETORT_CHECK_AS(
        ShapeError, margins[i].dim() == 1 && margins[i].size(0) == shapes.teacher[i][0], "ofd_loss: ", element,
        " must be of shape [", shapes.teacher[i][0], "] (got ", margins[i].sizes(), ")");
  }
}

}  // namespace

at::Tensor ofd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, OfdReduction reduction) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_ofd_loss)>("retort::ofd_loss");
  return op.call(student, teacher, margin, kOfdReductions.of(reduction));
}

at::Tensor ofd_batch_margin(const at::Tensor& teacher) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(ofd_batch_margin)>("retort::ofd_batch_margin");
  return op.call(teacher);
}

at::Tensor ofd_expected_margin(const at::Tensor& bn_weight, const at::Tensor& bn_bias, bool stable) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(ofd_expected_margin)>("retort::ofd_expected_margin");
  return op.call(bn_weight, bn_bias, stable);
}

std::vector<at::Tensor> ofd_expected_margins(
    const nn::Module& teacher, const std::vector<std::string>& norms, bool stable) {
  static CallSite site;
  const RunningCall running(site);
  const auto parameters = teacher.named_parameters();
  const auto find = [&](const std::string& name) {
    const at::Tensor* parameter = parameters.find(name);
    RETORT_CHECK(
        parameter && parameter->dim() == 1,
        "ofd_expected_margins: norms must be BatchNorm layers of the teacher (got a layer without ", name,
        " [channels])");
    return *parameter;
  };
  std::vector<at::Tensor> margins;
  for (const std::string& norm : norms) {
    const at::Tensor weight = find(norm + ".weight");
    margins.push_back(ofd_expected_margin(weight, find(norm + ".bias"), stable));
  }
  return margins;
}

std::shared_ptr<Criterion> OfdOptions::build(const FeatureShapes& shapes) const {
  kOfdOptions.check(*this);
  check_map_taps("ofd_loss", shapes, 1);
  check_margins(margins, shapes);
  return std::make_shared<OfdCriterion>(*this, shapes);
}

std::string OfdOptions::description() const {
  return kOfdOptions.describe(*this);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      kOfdOptions.schema(
          "ofd_loss(Tensor student, Tensor teacher, Tensor margin, *, {reduction}) -> Tensor", OfdOptions()),
      &checked_ofd_loss);
  define_composite(m, "ofd_batch_margin(Tensor teacher) -> Tensor", &checked_ofd_batch_margin);
  define_composite(
      m, "ofd_expected_margin(Tensor bn_weight, Tensor bn_bias, *, bool stable=False) -> Tensor",
      &checked_ofd_expected_margin);
  m.def(
      "_ofd_forward(Tensor student, Tensor teacher, Tensor margin, int reduction, bool[2] gradients) "
      "-> (Tensor, Tensor[])");
  // float64 [2, channels]: the sum and the number of each channel's negatives.
  m.def("_ofd_negatives(Tensor teacher) -> Tensor");
}

}  // namespace retort
