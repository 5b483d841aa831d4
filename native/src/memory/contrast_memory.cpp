#include <ATen/ops/amax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/tensor.h>
#include <retort/memory/contrast_memory.h>

#include <cmath>
#include <unordered_map>

#include "runtime/recycler.h"
#include "tensor/finite.h"
#include "tensor/precision.h"
#include "tensor/rows.h"

namespace retort {
namespace {

constexpr const char* kName = "ContrastMemory";
constexpr double kSmallestNorm = 1e-12;

/// The places where a row occurs for the last time, in ascending order; undefined if no row occurs twice.
at::Tensor last_places(const at::Tensor& indices) {
  const at::Tensor on_cpu = indices.cpu().contiguous();
  const int64_t* row = on_cpu.const_data_ptr<int64_t>();
  std::unordered_map<int64_t, int64_t> last;
  for (int64_t i = 0; i < on_cpu.numel(); ++i) last[row[i]] = i;
  if (static_cast<int64_t>(last.size()) == on_cpu.numel()) return {};
  std::vector<int64_t> places;
  for (int64_t i = 0; i < on_cpu.numel(); ++i) {
    if (last[row[i]] == i) places.push_back(i);
  }
  return at::tensor(places, indices.options());
}

/// Where each place's row occurs for the last time, found without waiting for the device.
at::Tensor last_place_of_each(const at::Tensor& indices) {
  const at::Tensor places = at::arange(indices.size(0), indices.options());
  return (indices.unsqueeze(1) == indices.unsqueeze(0)).mul(places).amax(1);
}

}  // namespace

ContrastMemory::ContrastMemory(int64_t rows, int64_t dimension, at::ScalarType dtype) {
  RETORT_CHECK(rows >= 1, kName, ": rows must be at least 1 (got ", rows, ")");
  RETORT_CHECK(dimension >= 1, kName, ": dimension must be at least 1 (got ", dimension, ")");
  RETORT_CHECK(
      dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16, kName,
      ": dtype must be Float, Double or BFloat16 (got ", dtype, ")");
  const double bound = std::sqrt(3.0 / static_cast<double>(dimension));
  // On huge pages, since rows are read from all over it.
  const at::Tensor drawn = recycled({rows, dimension}, at::kFloat, at::MemoryFormat::Contiguous);
  drawn.uniform_(-bound, bound);
  embeddings_ = register_buffer("embeddings", dtype == at::kFloat ? drawn : recycled_like(drawn, dtype).copy_(drawn));
}

MemoryRows ContrastMemory::update(const at::Tensor& indices, const at::Tensor& embeddings, double momentum) {
  const at::NoGradGuard no_grad;
  check_rows(kName, "indices", indices, 1, embeddings_.size(0));
  RETORT_CHECK_AS(
      ShapeError,
      embeddings.defined() && embeddings.dim() == 2 && embeddings.size(0) == indices.size(0) &&
          embeddings.size(1) == embeddings_.size(1),
      kName, ": embeddings must be of shape [", indices.size(0), ", ", embeddings_.size(1), "] (got ",
      embeddings.defined() ? c10::str(embeddings.sizes()) : "an undefined tensor", ")");
  RETORT_CHECK_AS(
      ShapeError, embeddings.scalar_type() == compute_dtype(embeddings_), kName, ": embeddings must be ",
      compute_dtype(embeddings_), " for a memory of ", embeddings_.scalar_type(), " (got ", embeddings.scalar_type(),
      ")");
  RETORT_CHECK(momentum >= 0 && momentum < 1, kName, ": momentum must be at least 0 and below 1 (got ", momentum, ")");

  const Change change = change_of(indices, embeddings, momentum);
  RETORT_CHECK_AS(
      NonFiniteError, all_finite(change.after.embeddings), kName, ": embeddings must be finite (got inf or nan)");
  assign(change.after);
  return change.before;
}

MemoryRows ContrastMemory::unchecked_update(const at::Tensor& indices, const at::Tensor& embeddings, double momentum) {
  const at::NoGradGuard no_grad;
  const Change change = change_of(indices, embeddings, momentum);
  assign(change.after);
  return change.before;
}

ContrastMemory::Change ContrastMemory::change_of(
    const at::Tensor& indices, const at::Tensor& embeddings, double momentum) const {
  MemoryRows old;
  at::Tensor latest;
  if (indices.is_cpu()) {
    const at::Tensor places = last_places(indices);
    old.indices = places.defined() ? indices.index_select(0, places) : indices.clone();
    latest = places.defined() ? embeddings.index_select(0, places) : embeddings;
  } else {
    // Rows that occur several times are written as often, always the same.
    old.indices = indices.clone();
    latest = embeddings.index_select(0, last_place_of_each(indices));
  }
  old.embeddings = embeddings_.index_select(0, old.indices);
  const at::Tensor moved = momentum * old.embeddings.to(latest.scalar_type()) + (1 - momentum) * latest;
  const at::Tensor length = at::linalg_vector_norm(moved, 2, at::IntArrayRef{1}, /*keepdim=*/true);
  const at::Tensor unit = moved / length.clamp_min(kSmallestNorm);
  return {old, {old.indices, unit.to(embeddings_.scalar_type())}};
}

void ContrastMemory::assign(const MemoryRows& rows) {
  const at::NoGradGuard no_grad;
  embeddings_.index_copy_(0, rows.indices, rows.embeddings);
}

}  // namespace retort
