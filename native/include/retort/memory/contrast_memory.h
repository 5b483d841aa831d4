#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <torch/nn/module.h>

#include <cstdint>

namespace retort {

/// Rows of a memory, without duplicates.
struct RETORT_API MemoryRows {
  /// int64 [n]
  at::Tensor indices;
  /// [n, dimension]
  at::Tensor embeddings;
};

/// CRD's memory: for every sample of a data set a moving average of one network's embeddings.
///
/// A module with the buffer `embeddings`. Not thread-safe.
class RETORT_API ContrastMemory : public torch::nn::Module {
 public:
  /// Draws the initial rows from U(-a, a), a = sqrt(3 / dimension), whose expected squared norm is 1, with the default
  /// generator.
  /// @param rows samples of the data set, >= 1
  /// @param dimension of an embedding, >= 1
  /// @param dtype of the rows, float32, float64 or bfloat16; those of bfloat16 are computed in float32 and rounded
  /// @throws c10::ValueError if an argument is out of range
  ContrastMemory(int64_t rows, int64_t dimension, at::ScalarType dtype = at::kFloat);

  /// [rows, dimension]; updates write into it.
  const at::Tensor& embeddings() const { return embeddings_; }

  /// Moves rows towards new embeddings:
  ///
  ///   row = unit(momentum * row + (1 - momentum) * embedding)
  ///
  /// where unit divides by the length (or by 1e-12 if that is larger). If a row occurs several times, its last
  /// embedding counts. All rows are computed before the first is written.
  /// @param indices int64 [B], rows
  /// @param embeddings [B, dimension], float64 for a float64 memory, otherwise float32; on its device
  /// @param momentum in [0, 1)
  /// @return the previous contents of the rows, for `assign`
  /// @throws ShapeError if a tensor does not fit, c10::ValueError if a number is out of range, NonFiniteError if a new
  ///     row is not finite; then nothing has changed
  MemoryRows update(const at::Tensor& indices, const at::Tensor& embeddings, double momentum);

  /// Same as update(), for arguments that fit, but does not check their values, which would synchronise with the
  /// device: a row that is not finite is written like any other.
  MemoryRows unchecked_update(const at::Tensor& indices, const at::Tensor& embeddings, double momentum);

  /// Overwrites rows, e.g. to undo an update.
  void assign(const MemoryRows& rows);

 private:
  struct Change {
    MemoryRows before, after;
  };

  Change change_of(const at::Tensor& indices, const at::Tensor& embeddings, double momentum) const;

  at::Tensor embeddings_;
};

}  // namespace retort
