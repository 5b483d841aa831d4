#include "kernels/cuda/crd.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <array>
#include <cmath>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/tensors.h"
#include "kernels/math/crd.h"
#include "tensor/operators.h"

namespace retort::kernels::cuda {
namespace {

/// The embeddings of one network with the memory of the other.
struct Side {
  Side(const at::Tensor& given, const at::Tensor& memory_rows)
      : embeddings(given.to(compute_dtype(memory_rows)).contiguous()), memory(memory_rows.contiguous()) {}

  void score(double z, double noise, int64_t parts, bool wants_gradient) {
    const int64_t batch = embeddings.size(0);
    offset = std::log(z) + std::log(noise + math::kCrdEpsilon);
    sums = at::empty({parts, batch}, embeddings.options().dtype(at::kDouble));
    if (wants_gradient) gradients = at::empty({parts, batch, embeddings.size(1)}, embeddings.options());
  }

  template <typename S, typename T>
  CrdSide<S, T> pointers() const {
    return {
        data<T>(embeddings), data<S>(memory), static_cast<T>(offset), mutable_data<T>(gradients),
        mutable_data<double>(sums)};
  }

  at::Tensor gradient() const { return gradients.defined() ? gradients.sum(0) : gradients; }

  at::Tensor embeddings;
  at::Tensor memory;
  double offset = 0;
  at::Tensor sums;
  at::Tensor gradients;
};

template <typename S, typename T>
CrdBatch<S, T> batch_of(const Side& first, const Side& second, const at::Tensor& contrast, double temperature) {
  const int64_t batch = contrast.size(0);
  return {
      {first.pointers<S, T>(), second.pointers<S, T>()},
      data<int64_t>(contrast),
      batch,
      contrast.size(1),
      first.embeddings.size(1),
      static_cast<T>(1.0 / temperature),
      static_cast<T>(1.0 / temperature / static_cast<double>(batch))};
}

LossWithGradients crd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature, std::array<bool, 2> gradients) {
  const OnDevice device(student);
  const at::Tensor candidates = contrast.contiguous();
  const auto batch = static_cast<double>(candidates.size(0));
  const auto negatives = static_cast<double>(candidates.size(1) - 1);
  const double noise = negatives / static_cast<double>(student_memory.size(0));
  const int64_t parts = crd_parts(candidates.size(0), candidates.size(1));
  Side students(student, teacher_memory);
  Side teachers(teacher, student_memory);
  students.score(z_student, noise, parts, gradients[0]);
  teachers.score(z_teacher, noise, parts, gradients[1]);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, students.memory.scalar_type(), "crd_loss", [&] {
    crd_scores(device.stream(), batch_of<scalar_t, Computed<scalar_t>>(students, teachers, candidates, temperature));
  });
  const at::Tensor sum =
      (students.sums.sum() + teachers.sums.sum()) / batch + 2 * negatives * std::log1p(math::kCrdEpsilon / noise);
  return with_gradients(sum.to(students.embeddings.scalar_type()), {students.gradient(), teachers.gradient()});
}

double crd_z(const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  const OnDevice device(embeddings);
  const at::Tensor candidates = contrast.contiguous();
  const Side side(embeddings, memory);
  const at::Tensor largest = at::empty(
      {crd_parts(candidates.size(0), candidates.size(1)), candidates.size(0)},
      side.embeddings.options().dtype(at::kDouble));
  const at::Tensor scaled_sums = at::empty_like(largest);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, side.memory.scalar_type(), "crd_z", [&] {
    crd_exponential_sums(
        device.stream(), batch_of<scalar_t, Computed<scalar_t>>(side, side, candidates, temperature),
        mutable_data<double>(largest), mutable_data<double>(scaled_sums));
  });
  const auto sum = (scaled_sums * largest.exp()).sum().item<double>();
  return sum / static_cast<double>(candidates.numel()) * static_cast<double>(memory.size(0));
}

/// Room for the candidates of some samples, and what they are drawn by.
struct Draw {
  Draw(const at::Tensor& indices, int64_t negatives, const at::Tensor& drawn_key)
      : own(indices.contiguous()), key(drawn_key), contrast(at::empty({own.size(0), negatives + 1}, own.options())) {}

  CrdDraw pointers() const {
    return {data<int64_t>(own), own.size(0), contrast.size(1) - 1, data<int64_t>(key), mutable_data<int64_t>(contrast)};
  }

  at::Tensor own;
  at::Tensor key;
  at::Tensor contrast;
};

at::Tensor crd_contrast(const at::Tensor& indices, int64_t rows, int64_t negatives, const at::Tensor& key) {
  const OnDevice device(indices);
  const Draw draw(indices, negatives, key);
  if (draw.own.numel() > 0) crd_draw(device.stream(), draw.pointers(), rows);
  return draw.contrast;
}

at::Tensor crd_class_contrast(
    const at::Tensor& indices, const at::Tensor& order, const at::Tensor& starts, const at::Tensor& classes,
    int64_t negatives, bool relaxed, const at::Tensor& key) {
  const OnDevice device(indices);
  const Draw draw(indices, negatives, key);
  if (draw.own.numel() > 0) {
    crd_draw_by_class(
        device.stream(), draw.pointers(),
        {data<int64_t>(order), data<int64_t>(starts), data<int64_t>(classes), order.size(0), relaxed});
  }
  return draw.contrast;
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_crd_forward", &crd_forward);
  m.impl("_crd_z", &crd_z);
  m.impl("_crd_contrast", &crd_contrast);
  m.impl("_crd_class_contrast", &crd_class_contrast);
}

}  // namespace retort::kernels::cuda
