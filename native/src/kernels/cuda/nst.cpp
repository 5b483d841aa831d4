#include "kernels/cuda/nst.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/where.h>
#include <torch/library.h>

#include <algorithm>
#include <array>

#include "kernels/cuda/channels.h"
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/pooled_maps.h"
#include "kernels/cuda/products.h"
#include "kernels/cuda/tensors.h"
#include "kernels/cuda/unit_channels.h"
#include "kernels/math/nst.h"
#include "tensor/operators.h"

namespace retort::kernels::cuda {
namespace {

/// How much memory the matrices of channels take at most, if those of one sample don't take more. The tests have less.
#ifdef RETORT_EMULATED_NST_BYTES
constexpr int64_t kMatrixBytes = RETORT_EMULATED_NST_BYTES;
#else
constexpr int64_t kMatrixBytes = int64_t{256} << 20;
#endif

struct Kernel {
  NstKernel kind;
  int64_t degree;
  double offset;
  /// 0 for each sample's own.
  double variance;

  bool is_square() const { return kind == NstKernel::kPolynomial && degree == 2 && offset == 0; }
};

/// Each sample's discrepancy, in float64, and its derivative by the first maps' unit channels if that is wanted.
struct Discrepancy {
  at::Tensor values;
  at::Tensor by_unit;
};

/// Which of the two sums of a kernel's values that depend on one batch of maps alone is part of the loss, and whether
/// there is to be a derivative.
struct Terms {
  bool first;
  bool second;
  bool derivative;
};

at::Tensor sum_of_squares(const at::Tensor& matrices) {
  return matrices.to(at::kDouble).square().flatten(1).sum(1);
}

/// |mean of the first vectors - mean of the second|^2
Discrepancy linear(const UnitChannels& unit, Terms terms) {
  const at::Tensor second = unit.second().mean(1);
  const at::Tensor difference = terms.first ? unit.first().mean(1) - second : -second;
  at::Tensor values = sum_of_squares(difference);
  if (!terms.second) values -= sum_of_squares(second);
  if (!terms.derivative) return {values, {}};
  const at::Tensor by_each = difference * (2.0 / static_cast<double>(unit.firsts()));
  return {values, by_each.unsqueeze(1).expand_as(unit.first())};
}

/// |S^T S / Cs - T^T T / Ct|^2, which is the discrepancy of the squared inner product and can't be negative.
Discrepancy by_positions(const UnitChannels& unit, Terms terms) {
  const auto firsts = static_cast<double>(unit.firsts());
  const at::Tensor of_second = at::bmm(unit.second().mT(), unit.second()).div_(static_cast<double>(unit.seconds()));
  const at::Tensor difference =
      terms.first ? at::baddbmm(of_second, unit.first().mT(), unit.first(), /*beta=*/-1, /*alpha=*/1 / firsts)
                  : -of_second;
  at::Tensor values = sum_of_squares(difference);
  if (!terms.second) values -= sum_of_squares(of_second);
  if (!terms.derivative) return {values, {}};
  return {values, product(unit.first(), difference, unit.channels_last()).mul_(4 / firsts)};
}

/// What the Gaussian kernel depends on beside the inner products. Undefined for others.
struct Gaussian {
  at::Tensor squares;
  at::Tensor inverse_variances;
};

/// Moves the vectors so that their mean is zero: distances stay, and are exact even where all vectors are nearly one.
Gaussian centred(const UnitChannels& unit, const Kernel& kernel) {
  unit.all().sub_(unit.all().mean(1, /*keepdim=*/true));
  const at::Tensor squares = unit.all().square().sum(2).contiguous();
  if (kernel.variance != 0) {
    const at::Tensor inverse = at::empty({squares.size(0)}, squares.options()).fill_(1 / kernel.variance);
    return {squares, inverse};
  }
  const at::Tensor exact = squares.to(at::kDouble);
  const at::Tensor across = (unit.first().mean(1).to(at::kDouble) * unit.second().mean(1).to(at::kDouble)).sum(1);
  const at::Tensor variances =
      exact.narrow(1, 0, unit.firsts()).mean(1) + exact.narrow(1, unit.firsts(), unit.seconds()).mean(1) - 2 * across;
  const at::Tensor inverse =
      at::where(variances < math::kSmallestVariance, 0, variances.reciprocal()).to(squares.scalar_type());
  return {squares, inverse};
}

/// The kernel's matrix of some vectors with some others.
class KernelMatrix {
 public:
  KernelMatrix(const at::Tensor& rows, const at::Tensor& columns) : products_(at::bmm(rows, columns.mT())) {}

  /// Replaces the inner products by the kernel's derivatives, times one weight before and another after the column
  /// `split`, and keeps the sums of the kernel's values.
  ///
  /// @param rows,columns where the vectors begin among all
  void apply(
      Stream stream, const Kernel& kernel, const Gaussian& gaussian, int64_t rows, int64_t columns, int64_t split,
      double weight_before, double weight_after) {
    const int64_t parts = nst_parts(products_.size(1), products_.size(2));
    before_ = at::empty({parts, products_.size(0)}, products_.options().dtype(at::kDouble));
    after_ = at::empty_like(before_);
    AT_DISPATCH_FLOATING_TYPES(products_.scalar_type(), "nst_loss", [&] {
      NstProducts<scalar_t> given{};
      given.products = mutable_data<scalar_t>(products_);
      given.batch = products_.size(0);
      given.rows = products_.size(1);
      given.columns = products_.size(2);
      given.split = split;
      given.weight_before = static_cast<scalar_t>(weight_before);
      given.weight_after = static_cast<scalar_t>(weight_after);
      given.kernel = kernel.kind;
      given.degree = kernel.degree;
      given.offset = static_cast<scalar_t>(kernel.offset);
      if (gaussian.squares.defined()) {
        given.row_squares = data<scalar_t>(gaussian.squares) + rows;
        given.column_squares = data<scalar_t>(gaussian.squares) + columns;
        given.vectors = gaussian.squares.size(1);
        given.inverse_variances = data<scalar_t>(gaussian.inverse_variances);
      }
      nst_apply(stream, given, mutable_data<double>(before_), mutable_data<double>(after_));
    });
  }

  const at::Tensor& slopes() const { return products_; }
  /// Of each sample.
  at::Tensor sum_before() const { return before_.sum(0); }
  at::Tensor sum_after() const { return after_.sum(0); }

 private:
  at::Tensor products_;
  at::Tensor before_;
  at::Tensor after_;
};

/// mean k(s, s') + mean k(t, t') - 2 mean k(s, t)
Discrepancy by_channels(Stream stream, const UnitChannels& unit, const Kernel& kernel, Terms terms) {
  const auto firsts = static_cast<double>(unit.firsts());
  const auto seconds = static_cast<double>(unit.seconds());
  const Gaussian gaussian = kernel.kind == NstKernel::kGaussian ? centred(unit, kernel) : Gaussian();
  KernelMatrix of_firsts(unit.first(), unit.all());
  // Twice within: a vector takes part as the first and as the second.
  of_firsts.apply(
      stream, kernel, gaussian, 0, 0, unit.firsts(), terms.first ? 2 / (firsts * firsts) : 0, -2 / (firsts * seconds));
  at::Tensor values = of_firsts.sum_before() / (firsts * firsts) - of_firsts.sum_after() * (2 / (firsts * seconds));
  if (terms.second) {
    KernelMatrix of_seconds(unit.second(), unit.second());
    of_seconds.apply(stream, kernel, gaussian, unit.firsts(), unit.firsts(), unit.seconds(), 1, 1);
    // Rounding may leave the difference of nearly equal means below zero.
    values = (values + of_seconds.sum_before() / (seconds * seconds)).clamp_min(0);
  }
  if (!terms.derivative) return {values, {}};
  // What a vector's own length adds to its gradient.
  if (gaussian.squares.defined()) of_firsts.slopes().diagonal(0, 1, 2).sub_(of_firsts.slopes().sum(2));
  return {values, product(of_firsts.slopes(), unit.all(), unit.channels_last())};
}

/// The same with the matrices of some samples at once, of as many as depends on shapes alone.
Discrepancy by_channels_in_blocks(Stream stream, const UnitChannels& unit, const Kernel& kernel, Terms terms) {
  const int64_t batch = unit.all().size(0);
  const int64_t elements = unit.firsts() * unit.count() + (terms.second ? unit.seconds() * unit.seconds() : 0);
  const int64_t bytes = elements * static_cast<int64_t>(unit.all().element_size());
  const int64_t at_once = std::max<int64_t>(1, kMatrixBytes / bytes);
  if (at_once >= batch) return by_channels(stream, unit, kernel, terms);
  const Discrepancy all = {
      at::empty({batch}, unit.all().options().dtype(at::kDouble)),
      terms.derivative ? at::empty_like(unit.first()) : at::Tensor()};
  for (int64_t begin = 0; begin < batch; begin += at_once) {
    const int64_t count = std::min(at_once, batch - begin);
    const Discrepancy some = by_channels(stream, unit.of_samples(begin, count), kernel, terms);
    all.values.narrow(0, begin, count).copy_(some.values);
    if (terms.derivative) all.by_unit.narrow(0, begin, count).copy_(some.by_unit);
  }
  return all;
}

Discrepancy discrepancy(Stream stream, const UnitChannels& unit, const Kernel& kernel, Terms terms) {
  if (kernel.kind == NstKernel::kLinear) return linear(unit, terms);
  const bool prefers_positions = math::nst_prefers_positions(unit.all().size(2), unit.firsts(), unit.seconds());
  if (kernel.is_square() && prefers_positions) return by_positions(unit, terms);
  return by_channels_in_blocks(stream, unit, kernel, terms);
}

at::Tensor gradient_of(
    Stream stream, const PooledMaps& maps, const UnitChannels& unit, const at::Tensor& by_unit,
    double dead_channel_norm) {
  const at::Tensor& matrix = maps.matrix();
  const at::Tensor gradient = at::empty_strided(matrix.sizes(), matrix.strides(), matrix.options());
  const Projection projection = {
      data<double>(unit.norms()), 1.0 / static_cast<double>(matrix.size(0)), dead_channel_norm};
  AT_DISPATCH_FLOATING_TYPES(matrix.scalar_type(), "nst_loss", [&] {
    project_gradient(
        stream, shape_of(matrix), channels_of<const scalar_t>(matrix), channels_of<const scalar_t>(by_unit),
        channels_of<scalar_t>(gradient), projection);
  });
  return maps.spread(stream, gradient);
}

LossWithGradients nst_forward(
    const at::Tensor& student, const at::Tensor& teacher, int64_t kind, int64_t degree, double offset, double variance,
    bool teacher_term, double dead_channel_norm, std::array<bool, 2> gradients) {
  const OnDevice device(student);
  const Stream stream = device.stream();
  const Kernel kernel = {static_cast<NstKernel>(kind), degree, offset, variance};
  const int64_t height = std::min(student.size(2), teacher.size(2));
  const int64_t width = std::min(student.size(3), teacher.size(3));
  const PooledMaps students(student, height, width, Pooling::kAverage);
  const PooledMaps teachers(teacher, height, width, Pooling::kAverage);

  const UnitChannels unit(stream, students, teachers);
  const Discrepancy of_student = discrepancy(stream, unit, kernel, {true, teacher_term, gradients[0]});
  at::Tensor grad_s;
  at::Tensor grad_t;
  if (gradients[0]) grad_s = gradient_of(stream, students, unit, of_student.by_unit, dead_channel_norm);
  if (gradients[1]) {
    const UnitChannels swapped(stream, teachers, students);
    // The student's own sum has no part in the derivative.
    const Discrepancy of_teacher = discrepancy(stream, swapped, kernel, {teacher_term, false, true});
    grad_t = gradient_of(stream, teachers, swapped, of_teacher.by_unit, dead_channel_norm);
  }
  return with_gradients(
      of_student.values.mean().to(compute_dtype(student)),
      {stored_gradient(student, grad_s), stored_gradient(teacher, grad_t)});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_nst_forward", &nst_forward);
}

}  // namespace retort::kernels::cuda
