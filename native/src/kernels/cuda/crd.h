#pragma once

#include <stdint.h>

#include "kernels/cuda/stream.h"
#include "kernels/math/class_draw.h"

namespace retort::kernels::cuda {

/// The embeddings of one network with the memory of the other, stored as S, and their scores in crd_loss.
template <typename S, typename T>
struct CrdSide {
  const T* embeddings;
  const S* memory;
  /// The score at which a candidate is as probably noise as not, log Z + log(K / M + eps).
  T offset;
  /// Where to write the gradient, in parts: [parts, batch, dimension]. Null if none is asked for.
  T* gradients;
  /// Where to write the sum of the softplus terms, in parts: [parts, batch].
  double* sums;
};

/// A batch's candidates, of which the first of each row is the positive.
template <typename S, typename T>
struct CrdBatch {
  CrdSide<S, T> sides[2];
  const int64_t* contrast;
  int64_t batch;
  int64_t candidates;
  int64_t dimension;
  T inverse_temperature;
  /// Derivative of the loss by an anchor's sum, times 1 / temperature.
  T gradient_scale;
};

/// The number of parts of a sum over candidates.
int64_t crd_parts(int64_t batch, int64_t candidates);

/// Writes the sums and gradients of both sides.
template <typename S, typename T>
void crd_scores(Stream stream, const CrdBatch<S, T>& batch);

/// Writes the sums of e^score of the first side, each part as e^largest * scaled_sum: [parts, batch].
template <typename S, typename T>
void crd_exponential_sums(Stream stream, const CrdBatch<S, T>& batch, double* largest, double* scaled_sums);

/// Which rows candidates are drawn from.
struct CrdDraw {
  const int64_t* indices;
  int64_t batch;
  int64_t negatives;
  /// A number that decides what is drawn.
  const int64_t* key;
  int64_t* contrast;
};

void crd_draw(Stream stream, const CrdDraw& draw, int64_t rows);
void crd_draw_by_class(Stream stream, const CrdDraw& draw, const math::ClassTable& table);

}  // namespace retort::kernels::cuda
