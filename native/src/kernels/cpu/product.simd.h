// Products of matrices that fit into a core's caches, for one instruction set and one thread.
#pragma once

#include "kernels/cpu/vector.simd.h"
#include "kernels/math/smaller.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// A matrix in memory: element (i, j) is values[i * row_stride + j * column_stride].
template <typename T>
struct Strided {
  T* values;
  int64_t row_stride;
  int64_t column_stride;

  T* at(int64_t i, int64_t j) const { return values + i * row_stride + j * column_stride; }
  Strided from(int64_t i, int64_t j) const { return {at(i, j), row_stride, column_stride}; }
  Strided transposed() const { return {values, column_stride, row_stride}; }
  Strided<const T> as_const() const { return {values, row_stride, column_stride}; }
};

/// A product is computed in tiles, whose sums stay in registers, from a panel of the second factor, which stays in the
/// first-level cache: kDepth terms of kTileColumns columns, one term after the other.
#if defined(__AVX512F__)
constexpr int kTileRows = 8;
#else
constexpr int kTileRows = 6;
#endif
constexpr int kTileVectors = 2;
template <typename T>
constexpr int64_t kTileColumns = kTileVectors* kLanes<T>;
constexpr int64_t kDepth = 256;

/// A rectangle of a product, as the factors' sizes.
struct Extent {
  int64_t rows;
  int64_t columns;
  int64_t depth;
};

/// Where a product goes: result = alpha * product, or result += alpha * product. The rows lie `stride` apart.
template <typename T>
struct Result {
  T* values;
  int64_t stride;
  T alpha;
  bool add;

  Result from(int64_t i, int64_t j) const { return {values + i * stride + j, stride, alpha, add}; }
};

/// Some columns of the second factor, as vectors: vector v of term k is at values + k * stride + v * vector_stride.
template <typename T>
struct Panel {
  const T* values;
  int64_t stride;
  int64_t vector_stride;
};

// Tiles take what describes matrices by reference: passed by value it is copied to the stack in other pieces than it is
// read, which waits for all stores of the tile before.

template <int rows, int vectors, typename T>
void multiply_tile(
    const Strided<const T>& a, const Panel<T>& panel, int64_t depth, int64_t columns, const Result<T>& result) {
  constexpr int lanes = kLanes<T>;
  Vector<T> sums[rows][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[i][v] = Vector<T>{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector<T> terms[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) terms[v] = load(panel.values + k * panel.stride + v * panel.vector_stride);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const T factor = *a.at(i, k);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[i][v] += factor * terms[v];
    }
  }
  if (columns == vectors * lanes) {
    T* const values = result.values;
    const int64_t stride = result.stride;
    const T alpha = result.alpha;
    if (result.add) {
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
          T* to = values + i * stride + v * lanes;
          store<T>(to, load(to) + alpha * sums[i][v]);
        }
      }
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) store<T>(values + i * stride + v * lanes, alpha * sums[i][v]);
      }
    }
    return;
  }
  for (int i = 0; i < rows; ++i) {
    T row[vectors * lanes];
    for (int v = 0; v < vectors; ++v) store<T>(row + v * lanes, sums[i][v]);
    T* to = result.values + i * result.stride;
    for (int64_t j = 0; j < columns; ++j) to[j] = result.add ? to[j] + result.alpha * row[j] : result.alpha * row[j];
  }
}

/// A tile of fewer rows, at most `most`.
template <int most, int vectors, typename T>
void multiply_rest(
    int64_t rows, const Strided<const T>& a, const Panel<T>& panel, int64_t depth, int64_t columns,
    const Result<T>& result) {
  if constexpr (most > 0) {
    if (rows == most) {
      multiply_tile<most, vectors>(a, panel, depth, columns, result);
    } else {
      multiply_rest<most - 1, vectors>(rows, a, panel, depth, columns, result);
    }
  }
}

/// Copies up to kTileColumns columns into a panel, and fills it up with zeros.
template <typename T>
void pack(Strided<const T> b, int64_t depth, int64_t columns, T* panel) {
  constexpr int lanes = kLanes<T>;
  constexpr int64_t width = kTileColumns<T>;
  int64_t k = 0;
  if (columns == width && b.column_stride == 1) {
    for (; k < depth; ++k) {
      for (int v = 0; v < kTileVectors; ++v) store<T>(panel + k * width + v * lanes, load(b.at(k, v * lanes)));
    }
  } else if (columns == width && b.row_stride == 1) {
    for (; k + lanes <= depth; k += lanes) {
      for (int v = 0; v < kTileVectors; ++v) {
        Vector<T> block[lanes];
        for (int i = 0; i < lanes; ++i) {
          block[i] = load(b.at(k, v * lanes + i));
          // More streams than the hardware follows.
          __builtin_prefetch(b.at(k + 2 * lanes, v * lanes + i));
        }
        transpose<T>(block);
        for (int i = 0; i < lanes; ++i) store<T>(panel + (k + i) * width + v * lanes, block[i]);
      }
    }
  }
  for (; k < depth; ++k) {
    for (int64_t j = 0; j < columns; ++j) panel[k * width + j] = *b.at(k, j);
    for (int64_t j = columns; j < width; ++j) panel[k * width + j] = 0;
  }
}

enum class Part {
  kAll,
  /// The diagonal and what is below; of what is above, anything may be left as it was or not.
  kLower,
};

/// The product a b. Fastest where the strides of `b` along one of its dimensions are 1.
template <typename T>
void multiply(
    const Extent& extent, Strided<const T> a, Strided<const T> b, const Result<T>& result, Part part = Part::kAll) {
  alignas(64) T packed[kDepth * kTileColumns<T>];
  const Panel<T> panel = {packed, kTileColumns<T>, kLanes<T>};
  for (int64_t k = 0; k < extent.depth; k += kDepth) {
    const int64_t depth = math::smaller(kDepth, extent.depth - k);
    for (int64_t j = 0; j < extent.columns; j += kTileColumns<T>) {
      const int64_t columns = math::smaller(kTileColumns<T>, extent.columns - j);
      pack(b.from(k, j), depth, columns, packed);
      const auto tile = [&](int64_t i) {
        Result<T> there = result.from(i, j);
        there.add = result.add || k > 0;
        return there;
      };
      int64_t i = part == Part::kLower ? j / kTileRows * kTileRows : 0;
      for (; i + kTileRows <= extent.rows; i += kTileRows) {
        multiply_tile<kTileRows, kTileVectors>(a.from(i, k), panel, depth, columns, tile(i));
      }
      multiply_rest<kTileRows - 1, kTileVectors>(extent.rows - i, a.from(i, k), panel, depth, columns, tile(i));
    }
  }
}

/// result = alpha a b, or result += alpha a b, where either the rows or the columns of the result lie side by side.
template <typename T>
void multiply_into(
    Strided<T> result, int64_t rows, int64_t columns, int64_t depth, Strided<const T> a, Strided<const T> b, T alpha,
    bool add) {
  if (result.column_stride == 1) {
    multiply<T>({rows, columns, depth}, a, b, {result.values, result.row_stride, alpha, add});
  } else {
    multiply<T>(
        {columns, rows, depth}, b.transposed(), a.transposed(), {result.values, result.column_stride, alpha, add});
  }
}

/// Copies what is below the diagonal of a square matrix to what is above.
template <typename T>
void mirror(T* matrix, int64_t size, int64_t stride) {
  constexpr int64_t block = 16;
  for (int64_t i = 0; i < size; i += block) {
    for (int64_t j = 0; j <= i; j += block) {
      for (int64_t row = i; row < math::smaller(i + block, size); ++row) {
        const int64_t end = math::smaller(math::smaller(j + block, size), row);
        for (int64_t column = j; column < end; ++column) {
          matrix[column * stride + row] = matrix[row * stride + column];
        }
      }
    }
  }
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
