// Vectors of one instruction set, as GCC's and Clang's vector extensions have them: arithmetic is written with the
// usual operators and becomes single instructions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <utility>

#if defined(__AVX512F__)
#define RETORT_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define RETORT_VECTOR_BYTES 32
#else
#define RETORT_VECTOR_BYTES 16
#endif

namespace retort::kernels::RETORT_ISA {
namespace {

template <typename T>
struct VectorOf {
  typedef T Type __attribute__((vector_size(RETORT_VECTOR_BYTES)));
  typedef T Unaligned __attribute__((vector_size(RETORT_VECTOR_BYTES), aligned(sizeof(T)), may_alias));
};

template <typename T>
using Vector = typename VectorOf<T>::Type;

template <typename T>
constexpr int kLanes = RETORT_VECTOR_BYTES / sizeof(T);

template <typename T>
Vector<T> load(const T* values) {
  return *reinterpret_cast<const typename VectorOf<T>::Unaligned*>(values);
}

template <typename T>
void store(T* values, Vector<T> vector) {
  *reinterpret_cast<typename VectorOf<T>::Unaligned*>(values) = vector;
}

template <typename T, int first, size_t... lane>
__attribute__((always_inline)) inline Vector<T> interleaved(Vector<T> a, Vector<T> b, std::index_sequence<lane...>) {
  return __builtin_shufflevector(a, b, (first + lane / 2 + (lane % 2 == 0 ? 0 : kLanes<T>))...);
}

/// The first halves of two vectors, or their second halves, lane by lane in turn: a0 b0 a1 b1 ...
template <typename T, bool second_halves>
__attribute__((always_inline)) inline Vector<T> interleaved(Vector<T> a, Vector<T> b) {
  constexpr int lanes = kLanes<T>;
  constexpr int first = second_halves ? lanes / 2 : 0;
  return interleaved<T, first>(a, b, std::make_index_sequence<lanes>());
}

/// Exchanges the rows and columns of a square block of kLanes vectors. Each round interleaves the rows i and i + n / 2,
/// which turns one bit of the row's number into one of the column's.
template <typename T>
__attribute__((always_inline)) inline void transpose(Vector<T>* block) {
  constexpr int lanes = kLanes<T>;
#pragma GCC unroll 4
  for (int round = 1; round < lanes; round *= 2) {
    Vector<T> next[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes / 2; ++i) {
      next[2 * i] = interleaved<T, false>(block[i], block[i + lanes / 2]);
      next[2 * i + 1] = interleaved<T, true>(block[i], block[i + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) block[i] = next[i];
  }
}

/// The sum of each of kLanes vectors, in their order. Overwrites them.
template <typename T, int count = kLanes<T>>
__attribute__((always_inline)) inline Vector<T> sums_of(Vector<T>* vectors) {
  if constexpr (count == 1) {
    return vectors[0];
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < count / 2; ++i) {
      vectors[i] = interleaved<T, false>(vectors[i], vectors[i + count / 2]) +
                   interleaved<T, true>(vectors[i], vectors[i + count / 2]);
    }
    return sums_of<T, count / 2>(vectors);
  }
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
