#include <ATen/Dispatch.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/crd.simd.h"
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
      : embeddings(given.to(memory_rows.scalar_type()).contiguous()),
        memory(memory_rows.contiguous()),
        inverse_temperature(1.0 / temperature) {}

  template <typename T>
  CrdAnchor<T> anchor(int64_t b, const Candidates::Part& part) const {
    return {
        embeddings.const_data_ptr<T>() + b * embeddings.size(1),
        memory.const_data_ptr<T>(),
        part.rows,
        part.count,
        embeddings.size(1),
        static_cast<T>(inverse_temperature)};
  }

  at::Tensor embeddings;
  at::Tensor memory;
  double inverse_temperature;
};

/// How many anchors make it worth while to use another thread.
int64_t grain_of(const Candidates& candidates, int64_t dimension) {
  return std::max<int64_t>(1, at::internal::GRAIN_SIZE / (candidates.count() * dimension));
}

/// The loss of one side; its gradient is added to `gradient` if that is defined.
double side_loss(const Side& side, const Candidates& candidates, double z, const at::Tensor& gradient) {
  const auto batch = static_cast<double>(candidates.batch());
  const auto negatives = static_cast<double>(candidates.count() - 1);
  const double noise = negatives / static_cast<double>(side.memory.size(0));
  std::vector<double> sums(static_cast<size_t>(candidates.batch()));
  AT_DISPATCH_FLOATING_TYPES(side.memory.scalar_type(), "crd_loss", [&] {
    const auto softplus_sum = crd_kernels<scalar_t>().softplus_sum;
    const int64_t dimension = side.embeddings.size(1);
    scalar_t* gradient_data = gradient.defined() ? gradient.mutable_data_ptr<scalar_t>() : nullptr;
    parallel_for(0, candidates.batch(), grain_of(candidates, dimension), [&](int64_t begin, int64_t end) {
      for (int64_t range = 0; range < candidates.ranges(); ++range) {
        for (int64_t b = begin; b < end; ++b) {
          sums[static_cast<size_t>(b)] += softplus_sum(
              side.anchor<scalar_t>(b, candidates.part(b, range)),
              {static_cast<scalar_t>(std::log(z) + std::log(noise + math::kCrdEpsilon)), range == 0,
               gradient_data ? gradient_data + b * dimension : nullptr,
               static_cast<scalar_t>(side.inverse_temperature / batch)});
        }
      }
    });
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0) / batch + negatives * std::log1p(math::kCrdEpsilon / noise);
}

LossWithGradients crd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature, std::array<bool, 2> gradients) {
  const Side students(student, teacher_memory, temperature);
  const Side teachers(teacher, student_memory, temperature);
  const Candidates candidates(contrast, student_memory);
  const at::Tensor grad_s = gradients[0] ? at::zeros_like(students.embeddings) : at::Tensor();
  const at::Tensor grad_t = gradients[1] ? at::zeros_like(teachers.embeddings) : at::Tensor();
  const double sum =
      side_loss(students, candidates, z_student, grad_s) + side_loss(teachers, candidates, z_teacher, grad_t);
  at::Tensor loss = at::empty({}, students.embeddings.options()).fill_(sum);
  return with_gradients(loss, {grad_s, grad_t});
}

double crd_z(const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  const Side side(embeddings, memory, temperature);
  const Candidates candidates(contrast, memory);
  std::vector<ExponentialSum> sums(static_cast<size_t>(candidates.batch() * candidates.ranges()));
  AT_DISPATCH_FLOATING_TYPES(memory.scalar_type(), "crd_z", [&] {
    const auto exponential_sum = crd_kernels<scalar_t>().exponential_sum;
    const int64_t grain = grain_of(candidates, embeddings.size(1));
    parallel_for(0, candidates.batch(), grain, [&](int64_t begin, int64_t end) {
      for (int64_t range = 0; range < candidates.ranges(); ++range) {
        for (int64_t b = begin; b < end; ++b) {
          sums[static_cast<size_t>(b * candidates.ranges() + range)] =
              exponential_sum(side.anchor<scalar_t>(b, candidates.part(b, range)));
        }
      }
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
