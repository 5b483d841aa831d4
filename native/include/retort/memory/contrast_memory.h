#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <torch/nn/module.h>

#include <cstdint>

namespace retort {

/// Rows of a memory. A row that occurs several times has the same embedding each time.
struct RETORT_API MemoryRows {
  /// int64 [n]
  at::Tensor indices;
  /// [n, dimension]
  at::Tensor embeddings;
};

/// CRD's memory: a moving average of one network's embeddings for each sample of a data set.
///
/// A module with the buffer `embeddings`. Not thread-safe.
class RETORT_API ContrastMemory : public torch::nn::Module {
 public:
  /// Draws the initial rows with the default generator, from U(-a, a) with a = sqrt(3 / dimension), whose expected
  /// squared norm is 1.
  /// @param rows number of samples in the data set, >= 1
  /// @param dimension length of an embedding, >= 1
  /// @param dtype of the rows: float32, float64 or bfloat16; bfloat16 rows are computed in float32 and rounded
  /// @throws c10::ValueError if an argument is out of range
  ContrastMemory(int64_t rows, int64_t dimension, at::ScalarType dtype = at::kFloat);

  /// Returns the rows, [rows, dimension]; updates write to this tensor.
  const at::Tensor& embeddings() const { return embeddings_; }

  /// Moves rows towards new embeddings:
  ///
  ///   row = unit(momentum * row + (1 - momentum) * embedding)
  ///
  /// where unit divides by the length (or by 1e-12 if that is larger). If a row occurs several times, its last
  /// embedding counts. All rows are computed before the first is written.
  /// @param indices int64 [B], rows
  /// @param embeddings [B, dimension], float64 for a float64 memory, otherwise float32; on the memory's device
  /// @param momentum in [0, 1)
  /// @return the previous contents of the rows, for `assign`
  /// @throws ShapeError if a tensor does not fit, c10::ValueError if a number is out of range, NonFiniteError if a new
  ///     row is not finite; nothing is changed in any of these cases
  MemoryRows update(const at::Tensor& indices, const at::Tensor& embeddings, double momentum);

  /// Updates rows like update(), but does not check the arguments, which must fit: checking their values would
  /// synchronise with the device. A row that is not finite is written like any other.
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
