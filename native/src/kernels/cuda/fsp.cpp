#include <ATen/ops/bmm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/pooled_maps.h"
#include "kernels/cuda/products.h"
#include "kernels/cuda/tensors.h"
#include "tensor/operators.h"

namespace retort::kernels::cuda {
namespace {

/// The maps of one network, and their gradients as far as they are known.
struct Network {
  Network(at::TensorList given, bool is_trained)
      : maps(given.vec()), gradients(given.size()), wants_gradients(is_trained) {}

  void add(size_t map, const at::Tensor& gradient) {
    at::Tensor& sum = gradients[map];
    sum = sum.defined() ? sum.add_(gradient) : gradient;
  }

  /// The gradients that are wanted; zeros for maps of no pair.
  void write_gradients(std::vector<at::Tensor>& all) const {
    for (size_t i = 0; wants_gradients && i < maps.size(); ++i) {
      const at::Tensor& gradient = gradients[i];
      all.push_back(
          gradient.defined() ? stored_gradient(maps[i], gradient)
                             : at::zeros_like(maps[i], map_gradient_dtype(maps[i])));
    }
  }

  std::vector<at::Tensor> maps;
  std::vector<at::Tensor> gradients;
  bool wants_gradients;
};

/// Two maps of one network, at the size of the smaller.
class MapPair {
 public:
  MapPair(Network& network, size_t first, size_t second, Pooling pooling)
      : network_(network),
        first_index_(first),
        second_index_(second),
        first_(network.maps[first], height(), width(), pooling),
        second_(network.maps[second], height(), width(), pooling) {}

  /// The FSP matrix [batch, channels, channels].
  at::Tensor matrix() const {
    return at::bmm(first_.matrix(), second_.matrix().mT()).div_(static_cast<double>(first_.matrix().size(2)));
  }

  /// Adds to the gradients of both maps, given that of the FSP matrix.
  void add_gradients(Stream stream, const at::Tensor& of_matrix, double sign) {
    if (!network_.wants_gradients) return;
    const at::Tensor slopes = of_matrix * (sign / static_cast<double>(first_.matrix().size(2)));
    add(stream, first_index_, first_, slopes, second_);
    add(stream, second_index_, second_, slopes.mT(), first_);
  }

 private:
  int64_t smaller(int64_t dimension) const {
    return std::min(network_.maps[first_index_].size(dimension), network_.maps[second_index_].size(dimension));
  }
  int64_t height() const { return smaller(2); }
  int64_t width() const { return smaller(3); }

  void add(Stream stream, size_t index, const PooledMaps& maps, const at::Tensor& slopes, const PooledMaps& other) {
    network_.add(index, maps.spread(stream, product(slopes, other.matrix(), maps.channels_last())));
  }

  Network& network_;
  size_t first_index_;
  size_t second_index_;
  PooledMaps first_;
  PooledMaps second_;
};

/// In the order of FspReduction.
enum class Reduction { kMean, kPaper, kTorchdistill };

/// A loss of differences [batch, rows, columns], not yet divided by the batch, and its derivative.
struct Reduced {
  at::Tensor sum;
  at::Tensor slopes;
};

Reduced reduced(const at::Tensor& difference, Reduction reduction) {
  if (reduction == Reduction::kTorchdistill) {
    const at::Tensor norms =
        at::linalg_vector_norm(difference.to(at::kDouble), 2, at::IntArrayRef{1}, /*keepdim=*/true);
    // A column of zeros has no slope in any direction.
    const at::Tensor inverse = at::where(norms > 0, norms.reciprocal(), 0);
    return {norms.sum(), difference * inverse.to(difference.scalar_type())};
  }
  const double weight =
      reduction == Reduction::kMean ? 1.0 / static_cast<double>(difference.size(1) * difference.size(2)) : 1.0;
  return {difference.to(at::kDouble).square().sum() * weight, difference * (2 * weight)};
}

LossWithGradients fsp_forward(
    at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs, int64_t pooling, int64_t reduction,
    std::array<bool, 2> gradients) {
  const OnDevice device(student[0]);
  const auto batch = static_cast<double>(student[0].size(0));
  const Pooling kind = static_cast<Pooling>(pooling);
  Network students(student, gradients[0]);
  Network teachers(teacher, gradients[1]);
  at::Tensor sum = at::zeros({}, student[0].options().dtype(at::kDouble));
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto first = static_cast<size_t>(pairs[i]);
    const auto second = static_cast<size_t>(pairs[i + 1]);
    MapPair of_student(students, first, second, kind);
    MapPair of_teacher(teachers, first, second, kind);
    // Not added up in one product: equal matrices are to leave nothing.
    const auto [loss, slopes] = reduced(of_student.matrix() - of_teacher.matrix(), static_cast<Reduction>(reduction));
    sum += loss;
    of_student.add_gradients(device.stream(), slopes, 1 / batch);
    of_teacher.add_gradients(device.stream(), slopes, -1 / batch);
  }
  std::vector<at::Tensor> all;
  students.write_gradients(all);
  teachers.write_gradients(all);
  return {sum.div_(batch).to(compute_dtype(student[0])), std::move(all)};
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_fsp_forward", &fsp_forward);
}

}  // namespace retort::kernels::cuda
