#include <ATen/Dispatch.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/crd.simd.h"
#include "kernels/cpu/maps.h"
#include "kernels/math/class_draw.h"
#include "kernels/math/crd.h"
#include "runtime/random.h"
#include "runtime/threads.h"
#include "tensor/operators.h"
#include "tensor/precision.h"

namespace retort::kernels {
namespace {

/// The embeddings of one network with the memory of the other.
struct Side {
  Side(const at::Tensor& given, const at::Tensor& memory_rows, double temperature)
      : embeddings(given.to(compute_dtype(memory_rows)).contiguous()),
        memory(memory_rows.contiguous()),
        inverse_temperature(1.0 / temperature) {}

  template <typename T>
  CrdAnchor<T> anchor(int64_t b, const Candidates::Part& part, Scratch& scratch) const {
    return {
        embeddings.const_data_ptr<T>() + b * embeddings.size(1),
        memory.const_data_ptr(),
        storage_of(memory),
        part.rows,
        part.count,
        embeddings.size(1),
        static_cast<T>(inverse_temperature),
        &scratch};
  }

  at::Tensor embeddings;
  at::Tensor memory;
  double inverse_temperature;
};

/// Calls function(anchor, share, range, scratch) for all shares of all anchors' candidates, which threads divide among
/// them.
template <typename Function>
void for_each_part(const Candidates& candidates, int64_t dimension, const Function& function) {
  const int64_t shares = candidates.shares();
  const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE * shares / (candidates.count() * dimension));
  parallel_for(0, candidates.batch() * shares, grain, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t range = 0; range < candidates.ranges(); ++range) {
      for (int64_t i = begin; i < end; ++i) {
        scratch.reset();
        function(i / shares, i % shares, range, scratch);
      }
    }
  });
}

/// Adds up gradients [batch, shares, dimension] in the shares' order.
at::Tensor sum_of_shares(const at::Tensor& gradients) {
  if (gradients.size(1) == 1) return gradients.select(1, 0);
  at::Tensor sum = gradients.select(1, 0).clone(at::MemoryFormat::Contiguous);
  for (int64_t share = 1; share < gradients.size(1); ++share) sum += gradients.select(1, share);
  return sum;
}

struct SideLoss {
  double value;
  /// Undefined if it is not wanted.
  at::Tensor gradient;
};

SideLoss side_loss(const Side& side, const Candidates& candidates, double z, bool wants_gradient) {
  const auto batch = static_cast<double>(candidates.batch());
  const auto negatives = static_cast<double>(candidates.count() - 1);
  const double noise = negatives / static_cast<double>(side.memory.size(0));
  const int64_t dimension = side.embeddings.size(1);
  const int64_t shares = candidates.shares();
  const at::Tensor gradients =
      wants_gradient ? at::zeros({candidates.batch(), shares, dimension}, side.embeddings.options()) : at::Tensor();
  std::vector<double> sums(static_cast<size_t>(candidates.batch() * shares));
  AT_DISPATCH_FLOATING_TYPES(side.embeddings.scalar_type(), "crd_loss", [&] {
    const auto softplus_sum = crd_kernels<scalar_t>().softplus_sum;
    scalar_t* gradient_data = wants_gradient ? gradients.mutable_data_ptr<scalar_t>() : nullptr;
    for_each_part(candidates, dimension, [&](int64_t b, int64_t share, int64_t range, Scratch& scratch) {
      const Candidates::Part part = candidates.part(b, share, range);
      const int64_t i = b * shares + share;
      sums[static_cast<size_t>(i)] += softplus_sum(
          side.anchor<scalar_t>(b, part, scratch),
          {static_cast<scalar_t>(std::log(z) + std::log(noise + math::kCrdEpsilon)), part.has_positive,
           gradient_data ? gradient_data + i * dimension : nullptr,
           static_cast<scalar_t>(side.inverse_temperature / batch)});
    });
  });
  const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  return {
      sum / batch + negatives * std::log1p(math::kCrdEpsilon / noise),
      wants_gradient ? sum_of_shares(gradients) : at::Tensor()};
}

LossWithGradients crd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature, std::array<bool, 2> gradients) {
  const Side students(student, teacher_memory, temperature);
  const Side teachers(teacher, student_memory, temperature);
  const Candidates candidates(contrast, student_memory);
  const SideLoss of_student = side_loss(students, candidates, z_student, gradients[0]);
  const SideLoss of_teacher = side_loss(teachers, candidates, z_teacher, gradients[1]);
  at::Tensor loss = at::empty({}, students.embeddings.options()).fill_(of_student.value + of_teacher.value);
  return with_gradients(loss, {of_student.gradient, of_teacher.gradient});
}

double crd_z(const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  const Side side(embeddings, memory, temperature);
  const Candidates candidates(contrast, memory);
  const int64_t shares = candidates.shares();
  const int64_t ranges = candidates.ranges();
  std::vector<ExponentialSum> sums(static_cast<size_t>(candidates.batch() * shares * ranges));
  AT_DISPATCH_FLOATING_TYPES(side.embeddings.scalar_type(), "crd_z", [&] {
    const auto exponential_sum = crd_kernels<scalar_t>().exponential_sum;
    for_each_part(candidates, embeddings.size(1), [&](int64_t b, int64_t share, int64_t range, Scratch& scratch) {
      sums[static_cast<size_t>((b * shares + share) * ranges + range)] =
          exponential_sum(side.anchor<scalar_t>(b, candidates.part(b, share, range), scratch));
    });
  });
  double sum = 0;
  for (const ExponentialSum& one : sums) sum += one.scaled_sum * std::exp(one.largest);
  return sum / static_cast<double>(contrast.numel()) * static_cast<double>(memory.size(0));
}

/// Candidates of which fill(own, row) writes those of one sample.
template <typename Fill>
at::Tensor drawn(const at::Tensor& indices, int64_t negatives, const Fill& fill) {
  const at::Tensor own = indices.contiguous();
  at::Tensor contrast = at::empty({own.size(0), negatives + 1}, own.options());
  const int64_t* own_data = own.const_data_ptr<int64_t>();
  int64_t* contrast_data = contrast.mutable_data_ptr<int64_t>();
  const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / (negatives + 1));
  parallel_for(0, own.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) fill(own_data[b], contrast_data + b * (negatives + 1));
  });
  return contrast;
}

at::Tensor crd_contrast(const at::Tensor& indices, int64_t rows, int64_t negatives, const at::Tensor& key) {
  const auto bits = static_cast<uint64_t>(key.item<int64_t>());
  return drawn(indices, negatives, [&](int64_t own, int64_t* row) {
    const uint64_t own_bits = random_bits(bits, static_cast<uint64_t>(own));
    row[0] = own;
    for (int64_t k = 0; k < negatives; ++k) {
      row[k + 1] = other_row(random_bits(own_bits, static_cast<uint64_t>(k)), own, rows);
    }
  });
}

at::Tensor crd_class_contrast(
    const at::Tensor& indices, const at::Tensor& order, const at::Tensor& starts, const at::Tensor& classes,
    int64_t negatives, bool relaxed, const at::Tensor& key) {
  const math::ClassTable table = {
      order.const_data_ptr<int64_t>(), starts.const_data_ptr<int64_t>(), classes.const_data_ptr<int64_t>(),
      order.size(0), relaxed};
  const auto bits = static_cast<uint64_t>(key.item<int64_t>());
  return drawn(indices, negatives, [&](int64_t own, int64_t* row) {
    const math::ClassDraw draw(table, bits, own, negatives);
    row[0] = draw.positive();
    for (int64_t k = 0; k < negatives; ++k) row[k + 1] = draw.negative(k);
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_crd_forward", &crd_forward);
  m.impl("_crd_z", &crd_z);
  m.impl("_crd_contrast", &crd_contrast);
  m.impl("_crd_class_contrast", &crd_class_contrast);
}

}  // namespace retort::kernels
